//! Any text at all: a configuration or an error, never a panic.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in a file: no panic, and a configuration or an error.
    #[test]
    fn any_text_gives_a_configuration_or_an_error(text in any_text()) {
        let reading = read_text("test.conf", &text);
        let errors = reading.complaints.iter().any(|complaint| complaint.severity == Severity::Error);
        prop_assert_eq!(reading.config.is_none(), errors);
        let places: Vec<_> = reading.complaints.iter().map(|complaint| (complaint.line, complaint.column)).collect();
        prop_assert!(places.is_sorted(), "{:?}", places);
        prop_assert!(places.iter().all(|(line, column)| *line > 0 && *column > 0));
        shown(&reading);
        // Compatible reading refuses no more than strict reading, and drops instead.
        let compatible = read_text_as("test.conf", &text, Manner { purpose: Purpose::Check, compat: true });
        let errors = compatible.complaints.iter().any(|complaint| complaint.severity == Severity::Error);
        prop_assert_eq!(compatible.config.is_none(), errors);
    }
}

/// Keywords, values, braces and noise in any order.
fn any_text() -> impl Strategy<Value = String> {
    let names: Vec<&'static str> = keywords::all().map(|keyword| keyword.name).collect();
    let values = [
        "10.0.0.1", "::1", "80", "0", "-1", "1.5", "eth0", "MASTER", "NAT", "DR", "PASS", "fwmark", "/",
        "yes",
    ];
    let piece = prop_oneof![
        4 => proptest::sample::select(names).prop_map(str::to_owned),
        4 => proptest::sample::select(values.to_vec()).prop_map(str::to_owned),
        3 => Just("{\n".to_owned()),
        3 => Just("}\n".to_owned()),
        4 => Just("\n".to_owned()),
        1 => "\\PC{0,8}",
        1 => proptest::sample::select(vec!["\"", "'", "\\", "#", "!", "$X=1\\", "$X", "${X}", "${", "~SEQ(I,1,3)", "~SEQ(", "~LST({X,Y},{a,b},c)", "@a", "@^a", "${_RANDOM 1 3}", "${_HASH}", "\\\n", "\0", "\t", "\r\n", "include x"])
            .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..120).prop_map(|pieces| pieces.join(" "))
}
