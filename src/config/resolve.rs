//! Names that stand for numbers (of routing tables, realms and the like) become numbers.
//!
//! Which number a name means is written in files of the system that runs the daemon, not in the configuration: so a
//! configuration can be checked anywhere, and names are looked up only before it is put into effect.

use std::sync::Arc;

use super::{Config, Hop, Id, Instance, Route, Rule, RuleAction};

/// What kind of thing a name is for; each has a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Naming {
    /// Routing tables.
    Table,
    /// Scopes.
    Scope,
    /// Who makes routes.
    Protocol,
    /// Realms.
    Realm,
    /// Types of service.
    Service,
    /// Groups of interfaces.
    Group,
}

/// Replaces every name that `number` knows. The others stay, and what uses them is left out later.
pub fn resolve(config: &mut Config, number: &dyn Fn(Naming, &str) -> Option<u32>) {
    for line in &mut config.static_routes {
        route(line, number);
    }
    for line in &mut config.static_rules {
        rule(line, number);
    }
    for instance in config.instances.values_mut() {
        if instance.routes.is_empty() && instance.rules.is_empty() {
            continue;
        }
        let instance: &mut Instance = Arc::make_mut(instance);
        for line in &mut instance.routes {
            route(line, number);
        }
        for line in &mut instance.rules {
            rule(line, number);
        }
    }
}

type Numbers<'a> = &'a dyn Fn(Naming, &str) -> Option<u32>;

fn route(line: &mut Route, number: Numbers<'_>) {
    if let Some(table) = &mut line.table {
        id(table, Naming::Table, number);
    }
    if let Some(scope) = &mut line.scope {
        id(scope, Naming::Scope, number);
    }
    for (name, words) in &mut line.others {
        self::words(name, words, number);
    }
    for hop in std::iter::once(&mut line.hop).chain(&mut line.hops) {
        let Hop { realms, .. } = hop;
        if let Some(text) = realms {
            *text = self::realms(text, number);
        }
    }
}

fn rule(line: &mut Rule, number: Numbers<'_>) {
    if let RuleAction::Table(table) = &mut line.action {
        id(table, Naming::Table, number);
    }
    for (name, words) in &mut line.others {
        self::words(name, words, number);
    }
}

fn id(id: &mut Id, naming: Naming, number: Numbers<'_>) {
    if let Id::Name(name) = id
        && let Some(found) = number(naming, name)
    {
        *id = Id::Number(found);
    }
}

fn words(name: &str, words: &mut [String], number: Numbers<'_>) {
    let naming = match name {
        "tos" => Naming::Service,
        "protocol" => Naming::Protocol,
        "suppress_ifgroup" => Naming::Group,
        "realms" => Naming::Realm,
        _ => return,
    };
    for word in words {
        *word = match naming {
            Naming::Realm => realms(word, number),
            naming => one(word, naming, number),
        };
    }
}

/// `FROM/TO`, either of which may be a name.
fn realms(text: &str, number: Numbers<'_>) -> String {
    text.split('/').map(|part| one(part, Naming::Realm, number)).collect::<Vec<_>>().join("/")
}

fn one(text: &str, naming: Naming, number: Numbers<'_>) -> String {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let found = is_name.then(|| number(naming, text)).flatten();
    found.map_or_else(|| text.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_text;

    #[test]
    fn names_become_numbers_and_those_that_nobody_knows_stay() {
        let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nno_virtual_ipaddress\n\
                    virtual_routes {\n10.1.0.0/16 via 10.0.0.2 dev eth0 table blue realms here/7\n\
                    10.2.0.0/16 dev eth0 table red\n}\nvirtual_rules {\nfrom 10.1.0.0/16 table blue preference 5\n}\n}\n\
                    static_routes {\n10.3.0.0/16 dev eth0 table blue\n}\n";
        let mut config = read_text("test.conf", text).config.expect("the text is good");
        resolve(&mut config, &|naming, name| match (naming, name) {
            (Naming::Table, "blue") => Some(100),
            (Naming::Realm, "here") => Some(3),
            _ => None,
        });
        let instance = &config.instances["A"];
        assert_eq!(instance.routes[0].table, Some(Id::Number(100)));
        assert_eq!(instance.routes[0].others["realms"], ["3/7"]);
        assert_eq!(instance.routes[1].table, Some(Id::Name("red".into())));
        assert_eq!(instance.rules[0].action, RuleAction::Table(Id::Number(100)));
        assert_eq!(config.static_routes[0].table, Some(Id::Number(100)));
    }
}
