//! Where a configuration keeps passwords of checks that are to be filled in.

use std::sync::Arc;

use healthcheck::Check;

use super::Config;

impl Config {
    /// Changes the checks of which this holds; whatever else shares them keeps them as they are.
    pub(super) fn change_checks(
        &mut self,
        wanted: impl Fn(&Check) -> bool,
        mut change: impl FnMut(&mut Check),
    ) {
        for service in self.services.values_mut().chain(self.group_services.values_mut()) {
            if !service.servers.values().any(|server| server.checks.iter().any(|check| wanted(check))) {
                continue;
            }
            for server in Arc::make_mut(service).servers.values_mut() {
                if !server.checks.iter().any(|check| wanted(check)) {
                    continue;
                }
                let checks = Arc::make_mut(server).checks.iter_mut();
                checks.filter(|check| wanted(check)).for_each(|check| change(Arc::make_mut(check)));
            }
        }
    }
}
