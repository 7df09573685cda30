//! The configuration language: what conditions, definitions, repetitions and includes come to.

use super::*;

/// What the world answers in these tests.
pub fn around(config_id: &str) -> Surroundings<'_> {
    let variable = &|name: &str| match name {
        "PORT" => Some("8080".to_owned()),
        "SECRET" => Some("a#b!{$X} \"c\\".to_owned()),
        "TWO" => Some("k2 w".to_owned()),
        "LINES" => Some("a\nb".to_owned()),
        _ => None,
    };
    Surroundings { config_id, seed: 1, variable, directory: Path::new("/etc/d") }
}

/// Files by name, of which the first is read.
fn reading_of(files: &[(&str, &str)], config_id: &str) -> Reading {
    let fetched =
        |(name, text): &(&str, &str)| Fetched { path: PathBuf::from(name), text: Ok((*text).to_owned()) };
    let fetch = |path: &Path| {
        let name = path.to_string_lossy();
        let found: Vec<_> = if name.contains('*') {
            let start = name.split('*').next().unwrap_or_default();
            files.iter().filter(|(name, _)| name.starts_with(start)).map(fetched).collect()
        } else {
            let message = "there is no such file".to_owned();
            let none =
                Fetched { path: path.to_owned(), text: Err(Refusal { code: Code::FileMissing, message }) };
            vec![files.iter().find(|(file, _)| *file == name).map_or(none, fetched)]
        };
        found
    };
    read_fetched(fetched(&files[0]), &fetch, &around(config_id), Purpose::Check)
}

/// The statements that a text expands to, one after the other, whatever their keywords mean.
fn lines(files: &[(&str, &str)]) -> String {
    let mut lines = Vec::new();
    let fetch = |path: &Path| {
        let text = files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned());
        let refusal = Refusal { code: Code::FileMissing, message: "missing".to_owned() };
        vec![Fetched { path: path.to_owned(), text: text.ok_or(refusal) }]
    };
    let mut sources = directord::config::Sources::default();
    let mut complaints = directord::config::complaint::Complaints::default();
    let path = Path::new(files[0].0);
    let main = sources.add(path, files[0].1.to_owned(), None);
    let tree = directord::config::syntax::tree::parse(
        main,
        path,
        &mut sources,
        &fetch,
        &around("low"),
        &mut complaints,
    );
    fn collect(block: &directord::config::syntax::Block, lines: &mut Vec<String>) {
        for statement in &block.statements {
            let line = format!("{} {}", statement.keyword.text, statement.text());
            lines.push(line.trim_end().to_owned());
            if let Some(block) = &statement.block {
                lines.push("{".to_owned());
                collect(block, lines);
                lines.push("}".to_owned());
            }
        }
    }
    collect(&tree.root, &mut lines);
    lines.join("; ")
}

#[track_caller]
fn assert_lines(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(lines(&[("main", text)]), *expected, "{text}");
    }
}

#[test]
fn lines_count_where_their_condition_holds() {
    assert_lines(&[
        ("@low k1\n@high k2\n@^low k3\n@^high k4\n  @low\tk5", "k1; k4; k5"),
        ("@low @^high k1\n@low @high k2\n@lowx k3\n@LOW k4", "k1"),
        ("@ low k1\nk2", "k2"),
        ("@high k1 {\n@low k2 {\nk3\n}", "k2; {; k3; }"),
        ("$X=@low k1\n$Y=@high k2\n$X\n$Y", "k1"),
        ("~SEQ(I,2) @low k$I\n~SEQ(I,2) @low k${I}\n@low ~SEQ(I,2) k2${I}", "k1; k2; k1; k2; k21; k22"),
        ("@high $X=1 \\\nk1 \\\nk2\nk3", "k3"),
        ("$X=1\n@low $X=2\n@high $X=3\nk${X}", "k2"),
        ("k1 @high\nk2 a@b.c", "k1 @high; k2 a@b.c"),
    ]);
}

#[test]
fn names_are_replaced_where_they_are_used() {
    assert_lines(&[
        ("$A=x y\nk1 $A z\nk2 b${A}c", "k1 x y z; k2 bx yc"),
        ("$A=1\n$B=${A}\n$A=2\nk${B}", "k2"),
        ("$T=k${T2}\n$T2=1\n$T\n$T2=2\n$T", "k1; k2"),
        ("$A=k1\nk2 ${A}${A} ${A}.$A", "k2 k1k1 k1.k1"),
        // A bare name ends with a blank or the line.
        ("$A=1\nk $A- $A, $A\nk $A", "k $A- $A, 1; k 1"),
        // Unknown names stay as they are.
        ("k1 $UNK a${UNK}b $ ${ $1 $$ a$", "k1 $UNK a${UNK}b $ ${ $1 $$ a$"),
        ("$A=  lead and trail  # comment\nk [${A}]", "k [lead and trail]"),
        ("$A=\"q # x\"\nk $A\nk \"a ${A2}\"", "k q # x; k a ${A2}"),
        ("$A=\nk [${A}]\n$A\nk2 $A b", "k []; k2 b"),
        ("$A=1\nk \"s ${A} $A t\" '${A}'", "k s 1 1 t 1"),
        ("$A=1\nk # $A\n# $A\nk2 ! ${A}", "k; k2"),
        ("  $A=1\n\t@low $B=2\nk${A}${B}", "k12"),
        ("$A=b {\nk $A\nk2\n}", "k b; {; k2; }"),
        ("$A-B=5\n$1=2\nk", "$A-B=5; $1=2; k"),
        ("$_x=1\nk${_x}", "k1"),
        ("$A=1\r\nk${A}\r\n", "k1"),
        ("$A=é\nk${A}ü", "kéü"),
    ]);
}

#[test]
fn definitions_of_several_lines_stand_for_blocks() {
    assert_lines(&[
        ("$M=\\\nk1 { \\\nk2 \\\n}\n$M\nk3", "k1; {; k2; }; k3"),
        ("$M=k1 \\\nk2\\\nk3\n$M", "k1; k2; k3"),
        ("$M= \\\nk1 \\\n@low k2 \\\n@high k3 \\\nk4\n$M", "k1; k2; k4"),
        ("$M= \\\nk1 ${X} \\\n# $Y \\\n \\\nk2 # c \\\nk3 \\ # c\nk4\n$X=7\n$M", "k1 7; k2; k3; k4"),
        // An empty line ends it.
        ("$M= \\\nk1 \\\n\nk2\n$M", "k2; k1"),
        ("$M= \\\nk1 \\\nk2\nk0 $M k3\nk4_${M}_k5", "k0; k1; k2 k3; k4_; k1; k2_k5"),
        ("$I= \\\nk1 \\\nk2\n$O= \\\nk0 \\\n$I \\\nk3\n$O", "k0; k1; k2; k3"),
        // Definitions inside, one of several lines too.
        ("$R= \\\n$S=1 \\\nk${S} \\\n$S=2 \\\nk${S}\n$R\nk${S}", "k1; k2; k2"),
        ("$O= \\\n$I= \\\\\nk1 \\\\\nk2 \\\nk3\n$O\nk4\n$I", "k3; k4; k1; k2"),
        ("~SEQ(I,2) $U\n$U= \\\nk${I} \\\nl${I}\n~SEQ(I,2) $U", "$U; $U; k1; l1; k2; l2"),
        ("$A= \\\nk1 \\\n~SEQ(I,2) $B \\\nk9\n$B= \\\nk2 \\\nk3${I}\n$A", "k1; k2; k31; k2; k32; k9"),
        ("k \\\nl", "k \\; l"),
        ("$A=k1\\", ""),
    ]);
}

#[test]
fn lines_are_repeated() {
    assert_lines(&[
        ("~SEQ(I,3) k${I}", "k1; k2; k3"),
        ("~SEQ(I, 0, 2)k${I}", "k0; k1; k2"),
        ("~SEQ(I,0,1) ~SEQ(J,5,6) k${I}-${J}", "k0-5; k0-6; k1-5; k1-6"),
        ("~SEQ(I,3) ~SEQ(J,${I}) k${I}${J}", "k11; k21; k22; k31; k32; k33"),
        ("~SEQ(I,2) ~SEQ(J,$I) k${I}${J}", "k11; k21; k22"),
        ("~SEQx(I,9,0x10) k::${I}", "k::9; k::a; k::b; k::c; k::d; k::e; k::f; k::10"),
        ("$A=2\n$B=4\n~SEQ(I,$A, $B) k${I}\n~SEQ(I,${A},${B}) k${I}", "k2; k3; k4; k2; k3; k4"),
        ("~LST(I, a, b) k${I}\n~LST({I,J},{a,1},{b,2}) k${I}${J}", "ka; kb; ka1; kb2"),
        (
            "~LST(L,x,y) ~SEQ(I,2) k${L}${I}\n~SEQ(I,2) ~LST(L,x,y) k${L}${I}",
            "kx1; kx2; ky1; ky2; kx1; ky1; kx2; ky2",
        ),
        ("$D=p,q\n~LST(L,$D,r) k${L}", "kp,q; kr"),
        ("$K=~SEQ(I,2) k${I}\n$K\n$S=~SEQ(I,2)\n$S k${I} x", "k1; k2; k1 x; k2 x"),
        // The last value stays.
        ("$I=7\n~SEQ(I,2) k${I}\nk${I}", "k1; k2; k2"),
        ("~SEQ(I,2) $G=g${I}\nk${G}", "kg2"),
        ("~SEQ(I,2)\nk", "k"),
        ("~SEQ(I,2) k${I} { l }", "k1; {; l; }; k2; {; l; }"),
        ("k ~SEQ(I,2)\n~seq(I,2) k", "k ~SEQ(I,2); ~seq(I,2) k"),
        ("~SEQ(I,2) k $I # $I", "k 1; k 2"),
    ]);
}

#[test]
fn built_in_names_are_always_there() {
    assert_lines(&[
        ("k ${_PWD} ${_INSTANCE} $_PWD", "k /etc/d low /etc/d"),
        ("k a${_HASH} b\nk2 \"a${_HASH}b${_BANG}\"\nk3${_BANG}x", "k a; k2 a#b!; k3"),
        ("$OFF=${_HASH}\n$ON=\n$OFF k1\n$ON k2\n${OFF} $X=1\n${ON} $Y=2\nk ${X} ${Y}", "k2; k ${X} 2"),
        ("k ${_RANDOM 5 5} ${_RANDOM  -3 -3}", "k 5 -3"),
        ("k ${_ENV PORT} ${_ENV SECRET} \"${_ENV SECRET}\"", "k 8080 a#b!{$X} \"c\\ a#b!{$X} \"c\\"),
        ("${_ENV TWO}\n~SEQ(I, ${_ENV PORT}, 8081) k${I}", "k2 w; k8080; k8081"),
    ]);
    let random = lines(&[("main", "~SEQ(I,50) k ${_RANDOM 1 3}")]);
    let values: BTreeSet<&str> = random.split("; ").collect();
    assert_eq!(values, ["k 1", "k 2", "k 3"].into());
    let pwd = [("main", "include sub/a"), ("sub/a", "k ${_PWD}\ninclude b"), ("sub/b", "k2")];
    assert_eq!(lines(&pwd), "k /etc/d/sub; k2");
}

#[test]
fn includes_work_behind_everything_else() {
    let files = |main| {
        [("main", main), ("a", "ka $X"), ("b", "$Y=1\nkb\n@high kc"), ("d/e", "include f"), ("d/f", "kf")]
    };
    let cases = [
        ("@low include a\n@high include b", "ka $X"),
        ("$F=a\n$X=1\ninclude $F\ninclude ${F}", "ka 1; ka 1"),
        ("~SEQ(X,2) include a", "ka 1; ka 2"),
        ("~LST(F,a,b) include ${F}", "ka $X; kb"),
        ("$M=include \\\nx\n$M2= \\\ninclude b \\\nk${Y}\n$M2", "kb; k1"),
        ("include d/e\nk x { include {a,b} }", "kf; k x; {; ka $X; kb; }"),
        ("include /etc/none # a\n", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(lines(&files(text)), expected, "{text}");
    }
}

#[test]
fn absent_files_are_as_bad_as_the_kind_of_include_says() {
    let severities = |text: &str| {
        let reading = reading_of(&[("main", text), ("a", "")], "low");
        let found = reading.complaints.iter().filter(|complaint| {
            matches!(complaint.code, Code::FileMissing | Code::IncludeMissing | Code::InvalidChoice)
        });
        found.map(|complaint| complaint.severity.to_string()).collect::<Vec<_>>().join(" ")
    };
    let check = |words: &str, line: &str| format!("global_defs {{\ninclude_check {words}\n}}\n{line}\n");
    for (text, expected) in [
        ("include none", "error"),
        ("includer none", "error"),
        ("include none*", ""),
        ("includer none*", ""),
        ("includem none*", "error"),
        ("includew none*", "error"),
        ("includea none*", "error"),
        ("include {a,none}", ""),
        ("include {none,nil}", "error"),
        ("includeb {a,none}", "error"),
        ("includea {a,none}", "error"),
        ("include a", ""),
    ] {
        assert_eq!(severities(text), expected, "{text}");
    }
    for (words, line, expected) in [
        ("", "include none*", "error"),
        ("match", "include none*", "error"),
        ("+wildcard_match", "include none*", "error"),
        ("brace_match", "include {a,none}", "error"),
        ("brace_match", "include none", "warning"),
        ("-read", "include none", "warning"),
        ("-readable", "includer none", "error"),
        ("raedable", "include a", "error"),
    ] {
        assert_eq!(severities(&check(words, line)), expected, "{words}: {line}");
    }
}

/// The complaints with their trails, in short: `code line:column (trail)`.
fn told(text: &str) -> Vec<String> {
    let reading = reading_of(&[("main", text), ("inc", "$FROM=inc\nglobal_defs {\nbad_$Z\n}")], "low");
    let trail = |complaint: &directord::config::Complaint| {
        let steps: Vec<_> =
            complaint.trail.iter().map(|step| format!("{} {}", step.what, step.line)).collect();
        steps.join(", ")
    };
    reading
        .complaints
        .iter()
        .map(|complaint| {
            let place =
                format!("{} {}:{}+{}", complaint.code, complaint.line, complaint.column, complaint.length);
            format!("{place} [{}]", trail(complaint))
        })
        .collect()
}

#[test]
fn complaints_know_where_expanded_text_was_written_and_how_it_came_there() {
    let first =
        |text: &str| told(text).into_iter().find(|told| !told.starts_with("undefined")).unwrap_or_default();
    // In the body of a definition: there, and who asked for it.
    let body = "$VI= \\\nglobal_defs { \\\n  router_idd x \\\n}\n\n$VI";
    assert_eq!(first(body), "unknown-keyword 3:3+10 [in the expansion of `$VI` at 6]");
    // A whole word from a definition: in the definition.
    let word = "$V=maybe\nglobal_defs {\nsmtp_alert $V\n}";
    assert_eq!(first(word), "invalid-switch 1:4+5 [in the expansion of `$V` at 3]");
    // A word in parts: where it is put together.
    let parts = "$V=may\nglobal_defs {\nsmtp_alert ${V}be\n}";
    assert_eq!(first(parts), "invalid-switch 3:12+6 []");
    // A number of a repetition.
    let round = "global_defs {\n~SEQ(I,7,7) smtp_alert ${I}\n}";
    assert_eq!(first(round), "invalid-switch 2:24+4 [repeated with I = 7 at 2]");
    // Through several.
    let deep = "$A=router_idd x\n$B= \\\nglobal_defs { \\\n$A \\\n}\n~LST(L,1) $B";
    let trail = "in the expansion of `$A` at 4, in the expansion of `$B` at 6, repeated with L = 1 at 6";
    assert_eq!(first(deep), format!("unknown-keyword 1:4+10 [{trail}]"));
    let included = "$M= \\\ninclude inc \\\n\\\n\n$M";
    assert_eq!(first(included), "unknown-keyword 3:1+6 [included from 2, in the expansion of `$M` at 5]");
}

#[test]
fn one_line_repeated_often_is_complained_of_a_few_times() {
    let text = "global_defs {\n~SEQ(I,1,1000) routerid $I\n}";
    let reading = reading_of(&[("main", text)], "low");
    assert_eq!(reading.complaints.len(), 3);
    let all = shown(&reading);
    assert!(all.contains("(and 997 more like it in other expansions)"), "{all}");
    assert!(all.contains("= note: repeated with I = 3 at main:2\n"), "{all}");
}

#[test]
#[rustfmt::skip]
fn mistakes_in_the_language_are_told() {
    let cases: &[(&str, Severity, Code, u32, u32, &str)] = &[
        ("$A=$A\n$A", Severity::Error, Code::ExpansionLoop, 1, 4, "$A → $A"),
        ("$A=$B\n$B=x ${C} y\n$C=${A}\nrouter_id $A", Severity::Error, Code::ExpansionLoop, 3, 4, "$A → $B → $C → $A"),
        ("$A= \\\nx \\\n$A\n$A", Severity::Error, Code::ExpansionLoop, 3, 1, "made of itself"),
        ("$A=~SEQ(I,2) $A\n$A", Severity::Error, Code::ExpansionLoop, 1, 14, "made of itself"),
        ("~SEQ(I,1,0,3) x", Severity::Error, Code::InvalidRepetition, 1, 1, "step is 0"),
        ("~SEQ(I,1000000000000) x", Severity::Error, Code::InvalidRepetition, 1, 1, "1000000000000 times"),
        ("  ~SEQ(I,x) x", Severity::Error, Code::InvalidRepetition, 1, 3, "`x` is no whole number"),
        ("~SEQ(I,1 x", Severity::Error, Code::InvalidRepetition, 1, 1, "no `)`"),
        ("~LST({A,B},{1,2,3}) x", Severity::Error, Code::InvalidRepetition, 1, 1, "3 values"),
        ("~SEQ(I,2) $M= \\\na \\\nb", Severity::Error, Code::InvalidRepetition, 1, 1, "several lines"),
        ("global_defs { ~SEQ(I,2) router_id a\n}", Severity::Error, Code::InvalidRepetition, 1, 15, "beginning"),
        ("global_defs { @low router_id a\n}", Severity::Error, Code::InvalidCondition, 1, 15, "beginning"),
        ("~SEQ(I,1000000) ~SEQ(J,1000000) @high x", Severity::Error, Code::ExpansionTooLarge, 1, 17, "1000000 lines"),
        ("k ${_ENV NONE}", Severity::Error, Code::UndefinedName, 1, 3, "not set"),
        ("k ${_ENV LINES}", Severity::Error, Code::UndefinedName, 1, 3, "more than one line"),
        ("k ${_RANDOM 2 1}", Severity::Error, Code::UndefinedName, 1, 3, "above the greatest"),
        ("$_HASH=1", Severity::Error, Code::InvalidDefinition, 1, 1, "cannot be defined"),
        ("$_my=1", Severity::Hint, Code::InvalidDefinition, 1, 1, "names that begin with `_`"),
        ("$A=1 \\", Severity::Warning, Code::InvalidDefinition, 1, 1, "goes on"),
        ("@ low x", Severity::Warning, Code::InvalidCondition, 1, 1, "no config id"),
        ("$NAME=1\nglobal_defs {\nrouter_id ${NMAE}x\n}", Severity::Warning, Code::UndefinedName, 3, 11, "did you mean `${NAME}`?"),
        ("$NAME=1\nglobal_defs {\nrouter_id $NAME.x\n}", Severity::Warning, Code::UndefinedName, 3, 11, "write `${NAME}`"),
        ("global_defs {\nrouter_id $NMAE\n}", Severity::Hint, Code::UndefinedName, 2, 11, "is not defined"),
        ("global_defs {\nrouter_id \"a ${NMAE}\"\n}", Severity::Hint, Code::UndefinedName, 2, 14, "is not defined"),
        ("global_defs {\n$X=LVS\nrouter_id $X#c\n}", Severity::Hint, Code::CommentInWord, 3, 11, "begins a comment"),
    ];
    for (text, severity, code, line, column, piece) in cases {
        let reading = reading_of(&[("main", text)], "low");
        let found = reading.complaints.iter().any(|complaint| {
            let suggestion = complaint.suggestion.as_deref().unwrap_or_default();
            (complaint.severity, complaint.code, complaint.line, complaint.column) == (*severity, *code, *line, *column)
                && (complaint.message.contains(piece) || suggestion.contains(piece))
        });
        assert!(found, "{text}\nexpected {severity}[{code}] at {line}:{column}: {piece}\n{}", shown(&reading));
    }
}

#[test]
fn spiteful_texts_are_refused_in_time() {
    let doubling: String = (0..60).map(|n| format!("$A{}=${{A{n}}}${{A{n}}}\n", n + 1)).collect();
    let lines: String = (0..60).map(|n| format!("$A{}= \\\n$A{n} \\\n$A{n}\n", n + 1)).collect();
    let deep: String = (0..3_000).map(|n| format!("$A{}=${{A{n}}}\n", n + 1)).collect();
    let fill = "$A0=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n";
    let texts = [
        format!("{fill}{doubling}k ${{A60}}"),
        format!("$A0=k\n{lines}$A60"),
        format!("$A0=k\n{deep}$A3000"),
        "~SEQ(I,2) ".repeat(40) + "k",
        "~SEQ(I,1) ".repeat(5_000) + "k",
        format!("~SEQ(I,1000000) k {}", "x".repeat(100_000)),
        "$A= \\\n~SEQ(I,1000) $B\n$B= \\\n~SEQ(J,1000) $C\n$C=~SEQ(K,1000) k\n$A".to_owned(),
        "$A=include main\n$A".to_owned(),
        format!("$A=include {{{}}}{{{}}}\n$A", "a,".repeat(200), "b,".repeat(200)),
    ];
    for text in texts {
        let start = Instant::now();
        let reading = reading_of(&[("main", &text)], "low");
        assert!(reading.config.is_none(), "{}", text.get(..40).unwrap_or(&text));
        assert!(start.elapsed() < secs(120), "{:?} for {}", start.elapsed(), text.get(..40).unwrap_or(&text));
    }
    // Long, but not too large: one pass.
    for text in ["${".repeat(200_000), "$A".repeat(200_000), "~(".repeat(200_000), "@a ".repeat(200_000)] {
        let start = Instant::now();
        reading_of(&[("main", &text)], "a");
        assert!(start.elapsed() < secs(120), "{:?} for {}", start.elapsed(), &text[..10]);
    }
}

/// A page of text that makes forty thousand real servers.
const PAGE: &str = "$PORT=80
$RS= \\
  real_server 10.${A}.${B}.${C} $PORT { \\
    weight ${W} \\
    TCP_CHECK { \\
      connect_timeout 3 \\
    } \\
  }
$W=7
virtual_server 10.0.0.1 $PORT {
  protocol TCP
  lvs_sched rr
  lvs_method NAT
  ~SEQ(A,1,2) ~SEQ(B,1,100) ~SEQ(C,1,200) $RS
}
";

#[test]
fn a_page_of_text_makes_forty_thousand_servers() {
    let start = Instant::now();
    let config = clean(PAGE);
    let servers = &only_service(&config).servers;
    assert_eq!(servers.len(), 40_000);
    assert!(servers.values().all(|server| server.weight == 7));
    // No hang: the bar of one second is for the optimised program on a machine that does nothing else.
    assert!(start.elapsed() < secs(120), "{:?}", start.elapsed());
}

#[test]
fn expansion_takes_time_in_proportion_to_the_text() {
    let measure = |count: usize| {
        let text =
            format!("$A=10.0.0\n$M= \\\n# ${{A}} \\\n{}", "@low $B=${A}.${X}\n@high x\n".repeat(count));
        let start = Instant::now();
        assert!(reading_of(&[("main", &text)], "low").config.is_some());
        start.elapsed()
    };
    let (small, large) = (measure(10_000), measure(100_000));
    assert!(large < small * 40 + secs(1), "{small:?} for 10,000, {large:?} for 100,000");
}
