//! Those besides the brain who go by the configuration: mail, the calls of programs, and this process itself.

use tokio::sync::watch;

use crate::config::Config;
use crate::supervisor::calls::CallSettings;
use crate::supervisor::command::Executor;
use crate::supervisor::links::Polling;
use crate::supervisor::process::Process;
use crate::supervisor::{host, priority};

/// Those besides the brain who go by the configuration.
#[derive(Debug)]
pub(in crate::supervisor) struct Followers {
    pub(in crate::supervisor) mail: watch::Sender<Option<notify::EmailSettings>>,
    pub(in crate::supervisor) calls: watch::Sender<CallSettings>,
    pub(in crate::supervisor) executor: Executor,
    pub(in crate::supervisor) process: Process,
    pub(in crate::supervisor) polling: Polling,
}

impl Followers {
    /// A configuration is about to take effect.
    pub(super) fn follow(&mut self, config: &Config) {
        let global = &config.global;
        self.polling.obey(&config.root);
        priority::obey(global);
        self.process.obey(global);
        self.executor.obey(&global.scripts);
        let mail = host::mail_settings(global);
        self.mail.send_if_modified(|running| std::mem::replace(running, mail.clone()) != mail);
        let calls = CallSettings::of(global);
        self.calls.send_if_modified(|running| std::mem::replace(running, calls.clone()) != calls);
    }
}
