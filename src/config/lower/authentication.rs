//! `authentication`.

use vrrp::Auth;

use super::context::{Context, Entry};
use super::instance::value_span;
use crate::config::complaint::Code;
use crate::config::keywords::Place;

/// Where the password goes.
#[derive(Debug)]
pub(super) enum Kind {
    /// `auth_type PASS`: into the advert.
    Password(Auth),
    /// `auth_type AH`: into the making of an authentication header.
    Header(Auth),
}

/// What the block says, if it is complete.
pub(super) fn lower(context: &mut Context<'_>, block: &Entry<'_>) -> Option<Kind> {
    context.at_most(block, 0);
    let inside = block.statement.block.as_ref()?;
    context.reacting("there is no authentication", |context| {
        let (mut kind, mut password, mut complete) = (None, None, true);
        for entry in context.entries(inside, Place::Authentication) {
            match entry.name() {
                "auth_type" => {
                    kind = context.choice(&entry);
                    complete &= kind.is_some();
                }
                "auth_pass" => {
                    password = context.text(&entry).map(|text| (text, value_span(&entry)));
                    complete &= password.is_some();
                }
                _ => context.forgotten(&entry),
            }
        }
        if complete && kind.is_none() {
            context.missing("`authentication`", "auth_type", block.span());
        }
        let Some((password, span)) = password else {
            if complete {
                context.missing("`authentication`", "auth_pass", block.span());
            }
            return None;
        };
        if password.len() > 8 {
            let message =
                "the password is longer than eight characters; only the first eight are used".to_owned();
            context.warning_with(Code::ValueAdjusted, span, message, "shorten it on every director");
        }
        let auth = Auth::password(&password);
        Some(if kind == Some("AH") { Kind::Header(auth) } else { Kind::Password(auth) })
    })
}
