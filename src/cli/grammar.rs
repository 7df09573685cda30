//! `directord grammar`: what makes an editor colour configurations, generated from the table of keywords.
//!
//! Both grammars know which keywords stand in which block, so that a keyword that is misspelt or misplaced keeps the
//! colour of plain text, and one that has no effect any more looks like a mistake.

mod textmate;
mod vim;

use std::collections::BTreeSet;

use crate::config::keywords::{self, Form, Keyword, Place, Status};

/// An editor's kind of grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Editor {
    /// A syntax file for Vim and Neovim: save it as ~/.vim/syntax/directord.vim
    Vim,
    /// A TextMate grammar in JSON, for Visual Studio Code, Sublime Text and others
    Textmate,
}

/// The grammar as text.
pub(super) fn grammar(editor: Editor) -> String {
    match editor {
        Editor::Vim => vim::grammar(),
        Editor::Textmate => textmate::grammar(),
    }
}

/// How a keyword looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    /// It says something.
    Plain,
    /// It has no effect any more.
    Obsolete,
    /// It opens a block of lines that are no keywords.
    Lines,
}

/// The keywords of a place with that look, in alphabetical order; not those that open a block of keywords.
fn words(place: Place, look: Look) -> Vec<&'static str> {
    let looks = |keyword: &&Keyword| {
        look == match keyword.form {
            Form::Lines(..) => Look::Lines,
            _ if matches!(keyword.status, Status::Obsolete(_)) => Look::Obsolete,
            _ => Look::Plain,
        }
    };
    let here = of(place).filter(|keyword| keyword.inside().is_none()).filter(looks);
    here.map(|keyword| keyword.name).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The keywords that open a block of keywords at a place, and the place that is inside.
fn blocks(place: Place) -> Vec<(&'static str, Place)> {
    let here = of(place).filter_map(|keyword| Some((keyword.name, keyword.inside()?)));
    here.collect::<BTreeSet<_>>().into_iter().collect()
}

fn of(place: Place) -> impl Iterator<Item = &'static Keyword> {
    keywords::all().filter(move |keyword| keyword.places.contains(&place))
}

/// Every place that has keywords.
fn places() -> BTreeSet<Place> {
    keywords::all().flat_map(|keyword| keyword.places).copied().collect()
}

/// A name for the things of a place: `VrrpInstance`, `TcpCheck`.
fn camel(place: Place) -> String {
    if place == Place::Root {
        return "Root".to_owned();
    }
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    place.name().split('_').filter(|word| !word.is_empty()).map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_has_one_look_in_each_of_its_places() {
        for keyword in keywords::all() {
            for place in keyword.places {
                let looks = [Look::Plain, Look::Obsolete, Look::Lines];
                let listed =
                    looks.iter().filter(|look| words(*place, **look).contains(&keyword.name)).count();
                let opens = blocks(*place).iter().filter(|(name, _)| *name == keyword.name).count();
                assert_eq!(listed + opens, 1, "{} in {place}", keyword.name);
            }
        }
    }

    #[test]
    fn places_have_names_of_their_own() {
        let names: BTreeSet<String> = places().into_iter().map(camel).collect();
        assert_eq!(names.len(), places().len());
        assert!(names.contains("VrrpInstance") && names.contains("TcpCheck"), "{names:?}");
    }
}
