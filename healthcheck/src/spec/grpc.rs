//! What a gRPC check asks for.

use serde::{Deserialize, Serialize};

use super::Tls;
use crate::error::Error;

/// A server must say of a service that it is serving (`grpc.health.v1.Health/Check`).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grpc {
    /// The service, such as `shop.v1.Cart`; empty for the server as a whole.
    pub service: String,
    /// The name that the server is asked by (`:authority`); without it, the target's address.
    pub virtualhost: Option<String>,
    /// How to speak TLS; `None` for HTTP/2 without it.
    pub tls: Option<Tls>,
}

/// The longest name of a service, in bytes: longer ones would not fit where they have to.
const LONGEST_SERVICE: usize = 1000;

/// Whether a text can be the name of a gRPC service: visible ASCII.
pub fn check_service(service: &str) -> Result<(), Error> {
    if service.len() <= LONGEST_SERVICE && service.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::Service(service.to_owned()))
}
