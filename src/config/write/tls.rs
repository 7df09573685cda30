//! `SSL` as a statement.

use super::Lines;
use crate::config::{Thing, TlsFiles};

pub(super) fn write(files: Option<&TlsFiles>, out: &mut Lines) {
    let Some(TlsFiles { verify, expiry_days, password, ca, certificate, key }) = files else { return };
    out.block("SSL", [], Some(Thing::Tls), |lines| {
        lines.some("verify", *verify);
        lines.some("expiry_days", *expiry_days);
        lines.some("password", password.as_deref());
        lines.some("ca", ca.as_deref());
        lines.some("certificate", certificate.as_deref());
        lines.some("key", key.as_deref());
    });
}
