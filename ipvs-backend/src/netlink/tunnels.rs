//! Kernels that know one kind of tunnel only.
//!
//! Linux before 5.3 overlooks what it is told of other kinds, without a word, and sends packets in plain IP in IP, which
//! nobody at the other end takes. That shows in what it tells of its real servers, so it is looked for once, behind the
//! first real server that is to be reached in such a tunnel; what cannot be reached is taken out again.

use std::collections::BTreeSet;

use super::{NetlinkKernel, Outcome, unexpected};
use crate::codec::{self, Request};
use crate::kernel::{Errno, Rejection};
use crate::key::ServiceKey;
use crate::{KernelError, Operation};

impl NetlinkKernel {
    /// Refuses what was asked for in vain. Real servers that were added for it are removed again.
    pub(super) fn take_back_tunnels(
        &mut self,
        operations: &[Operation],
        rejections: &mut Vec<Rejection>,
    ) -> Result<(), KernelError> {
        if self.tunnels == Some(true) {
            return Ok(());
        }
        let refused: BTreeSet<usize> = rejections.iter().map(|rejection| rejection.index).collect();
        let asked = operations.iter().enumerate().filter(|(index, operation)| {
            let settings = match operation {
                Operation::AddDestination { settings, .. } | Operation::SetDestination { settings, .. } => {
                    settings
                }
                _ => return false,
            };
            settings.own_header().is_some() && !refused.contains(index)
        });
        let asked: Vec<_> = asked.collect();
        if self.tunnels.is_none() {
            let services: BTreeSet<ServiceKey> =
                asked.iter().map(|(_, operation)| operation.service()).collect();
            for service in services {
                self.tunnels = self.look_for_tunnels(service)?;
                if self.tunnels.is_some() {
                    break;
                }
            }
        }
        // What was added and is gone again tells nothing of the kernel: it is looked for another time.
        if self.tunnels != Some(false) {
            return Ok(());
        }
        let mut added = Vec::new();
        for (index, operation) in asked {
            rejections.push(Rejection::new(index, operation, Errno::EOPNOTSUPP, None));
            if let Operation::AddDestination { service, key, .. } = operation {
                added.push(Operation::RemoveDestination { service: *service, key: *key });
            }
        }
        rejections.sort_by_key(|rejection| rejection.index);
        for batch in added.chunks(super::BATCH) {
            // Somebody else may have removed one: it is gone, which is all that is wanted.
            self.apply_batch(batch, 0, &mut Vec::new())?;
        }
        Ok(())
    }

    /// Whether it tells of tunnels, seen from the real servers of this service; `None` where it has none any more.
    fn look_for_tunnels(&mut self, service: ServiceKey) -> Result<Option<bool>, KernelError> {
        let mut known = None;
        let outcome = self.exchange(Request::Destinations(service), |item| {
            known = Some(known == Some(true) || codec::knows_tunnels(item));
            Ok(())
        })?;
        match outcome {
            // The service itself is gone.
            Outcome::Refused(Errno::ESRCH) => Ok(None),
            Outcome::Refused(errno) => Err(unexpected("reading the real servers", errno)),
            Outcome::Complete | Outcome::Interrupted => Ok(known),
        }
    }
}
