//! `GRPC_CHECK`.

use healthcheck::spec::check_service;
use healthcheck::{Grpc, Kind};

use super::http::virtualhost;
use super::route::Route;
use super::secure::Secure;
use crate::config::complaint::{Code, Reaction};
use crate::config::lower::context::{Context, Entry};
use crate::config::lower::server::Inherited;

pub(super) fn lower(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    inherited: &Inherited,
    route: &mut Route,
) -> Kind {
    let mut grpc = Grpc { virtualhost: inherited.virtualhost.clone(), ..Grpc::default() };
    let (mut secure, mut tls) = (Secure::new(context), false);
    route.read(context, block, |context, entry| {
        match entry.name() {
            "service" => {
                if let Some(service) = service(context, entry) {
                    grpc.service = service;
                }
            }
            "virtualhost" => grpc.virtualhost = virtualhost(context, entry).or(grpc.virtualhost.take()),
            "tls" => tls = context.switch(entry).unwrap_or(tls),
            _ => return secure.take(context, entry),
        }
        true
    });
    if let Some(said) = secure.said.filter(|_| !tls) {
        let message = format!("`{said}` has no effect without `tls`");
        context.warning(Code::NoEffect, block.span(), message);
    }
    grpc.tls = tls.then(|| secure.finish(context));
    Kind::Grpc(grpc)
}

fn service(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    if let Err(error) = check_service(&word.text) {
        let keepalived = Reaction::goes_on("the line is ignored");
        context.error_but(Code::InvalidText, word.span, error.to_string(), None, keepalived);
        return None;
    }
    Some(word.text.clone())
}
