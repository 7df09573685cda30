//! What to do when the daemon cannot start and its last life left everything in place for it: let go, for the peer will
//! be master in a moment, and an address must not be on two hosts.

use std::sync::Arc;
use std::time::Instant;

use ipvs_backend::Table;
use tokio::sync::watch;
use tracing::warn;

use super::devices::{self, Gate};
use super::holdings::Holdings;
use super::host::RuntimeDir;
use super::{Options, herald, ipvs_settings, keeper, sync, table};
use crate::config::Reconcile;
use crate::director::effect::Level;

/// Takes away what the last life left, if it left anything.
pub(super) fn let_go(options: &Options) {
    if !keeper::is_there(&options.runtime_dir) {
        return;
    }
    // Another daemon runs there: all of it is its own.
    let Ok(directory) = RuntimeDir::claim(&options.runtime_dir) else { return };
    warn!("directord cannot start: what its last life left on this host is let go of");
    // Nothing is added, so there is nothing to announce.
    let (nobody, _) = herald::herald();
    match Holdings::open(&directory, nobody) {
        Ok(mut holdings) => {
            let added = holdings.take(Level { serial: 1, value: Arc::default() });
            let report = holdings.settle(Some(added), Instant::now());
            for failure in report.into_iter().flat_map(|report| report.failures) {
                warn!("{failure}");
            }
        }
        Err(error) => warn!("the addresses of the interfaces cannot be read: {error}"),
    }
    if let Ok(mut owner) = devices::Owner::new(directory.devices(), Gate::default(), options.compat) {
        owner.let_go();
    }
    let nothing = Level { serial: 1, value: Arc::<Table>::default() };
    let (_, reconcile) = watch::channel(Reconcile::Off);
    let mut owner = table::Owner::new(options.ipvs, directory.remembered("services"), reconcile);
    owner.settle();
    owner.carry_out(&nothing);
    let nothing = Level { serial: 1, value: Arc::default() };
    sync::Owner::new(options.ipvs, directory.remembered("sync-daemons")).carry_out(&nothing);
    let nothing = Level { serial: 1, value: Arc::default() };
    ipvs_settings::Owner::new(options.ipvs, directory.remembered("ipvs-settings")).carry_out(&nothing);
    keeper::remove(&options.runtime_dir);
}
