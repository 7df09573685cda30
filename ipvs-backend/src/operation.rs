//! One change of the table: what the kernel takes in one message.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::key::{DestinationKey, ServiceKey};
use crate::model::{DestinationSettings, ServiceSettings};

/// One change of the table. The kernel carries each out wholly or refuses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Add a service without real servers; it must not exist.
    AddService {
        /// The service.
        key: ServiceKey,
        /// Its settings.
        settings: ServiceSettings,
    },
    /// Change the settings of a service that exists; its real servers and connections stay.
    SetService {
        /// The service.
        key: ServiceKey,
        /// Its new settings.
        settings: ServiceSettings,
    },
    /// Remove a service and all its real servers.
    RemoveService {
        /// The service.
        key: ServiceKey,
    },
    /// Add a real server to a service; it must not be there.
    AddDestination {
        /// The service.
        service: ServiceKey,
        /// The real server.
        key: DestinationKey,
        /// Its settings.
        settings: DestinationSettings,
    },
    /// Change the settings of a real server; its connections stay.
    SetDestination {
        /// The service.
        service: ServiceKey,
        /// The real server.
        key: DestinationKey,
        /// Its new settings.
        settings: DestinationSettings,
    },
    /// Take a real server out of a service.
    RemoveDestination {
        /// The service.
        service: ServiceKey,
        /// The real server.
        key: DestinationKey,
    },
}

impl Operation {
    /// The service that is changed.
    pub fn service(&self) -> ServiceKey {
        match self {
            Self::AddService { key, .. } | Self::SetService { key, .. } | Self::RemoveService { key } => *key,
            Self::AddDestination { service, .. }
            | Self::SetDestination { service, .. }
            | Self::RemoveDestination { service, .. } => *service,
        }
    }

    /// The real server that is changed, if it is one.
    pub fn destination(&self) -> Option<DestinationKey> {
        match self {
            Self::AddService { .. } | Self::SetService { .. } | Self::RemoveService { .. } => None,
            Self::AddDestination { key, .. }
            | Self::SetDestination { key, .. }
            | Self::RemoveDestination { key, .. } => Some(*key),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService { key, settings } => write!(f, "add service {key} ({})", settings.scheduler),
            Self::SetService { key, settings } => write!(f, "change service {key} ({})", settings.scheduler),
            Self::RemoveService { key } => write!(f, "remove service {key}"),
            Self::AddDestination { service, key, settings } => {
                write!(
                    f,
                    "add real server {key} to {service} ({} weight {})",
                    settings.method(),
                    settings.weight
                )
            }
            Self::SetDestination { service, key, settings } => {
                write!(
                    f,
                    "change real server {key} of {service} ({} weight {})",
                    settings.method(),
                    settings.weight
                )
            }
            Self::RemoveDestination { service, key } => write!(f, "remove real server {key} from {service}"),
        }
    }
}
