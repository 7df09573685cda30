use super::*;

fn complaint(severity: Severity, suggestion: Option<&str>) -> Complaint {
    Complaint {
        severity,
        code: Code::UnknownKeyword,
        file: "dir/a,b:c.conf".to_owned(),
        line: 7,
        column: 5,
        length: 7,
        message: "`priorty` is 100% no keyword\nof any kind".to_owned(),
        suggestion: suggestion.map(str::to_owned),
        keepalived: Some("the line is ignored".to_owned()),
        trail: Vec::new(),
    }
}

#[test]
fn json_is_one_object_with_null_for_what_cannot_be_told() {
    let (one, two) =
        (complaint(Severity::Error, Some("did you mean `priority`?")), complaint(Severity::Hint, None));
    let expected = r#"{
  "complaints": [
    {
      "severity": "error",
      "code": "unknown-keyword",
      "file": "dir/a,b:c.conf",
      "line": 7,
      "column": 5,
      "message": "`priorty` is 100% no keyword\nof any kind",
      "suggestion": "did you mean `priority`?",
      "keepalived": "the line is ignored"
    },
    {
      "severity": "hint",
      "code": "unknown-keyword",
      "file": "dir/a,b:c.conf",
      "line": 7,
      "column": 5,
      "message": "`priorty` is 100% no keyword\nof any kind",
      "suggestion": null,
      "keepalived": "the line is ignored"
    }
  ]
}
"#;
    assert_eq!(report(&[&one, &two], Format::Json), expected);
    assert_eq!(report(&[], Format::Json), "{\n  \"complaints\": []\n}\n");
}

#[test]
fn annotations_are_one_line_each_and_escaped() {
    let (one, two) = (complaint(Severity::Warning, Some("x")), complaint(Severity::Hint, None));
    let text = report(&[&one, &two], Format::Github);
    let expected = "::warning file=dir/a%2Cb%3Ac.conf,line=7,col=5,title=unknown-keyword::`priorty` is 100%25 no keyword%0Aof any kind; x\n\
                    ::notice file=dir/a%2Cb%3Ac.conf,line=7,col=5,title=unknown-keyword::`priorty` is 100%25 no keyword%0Aof any kind\n";
    assert_eq!(text, expected);
}

#[test]
fn sarif_has_a_run_with_a_tool_its_rules_and_results() {
    let complaints =
        [Severity::Error, Severity::Warning, Severity::Hint].map(|severity| complaint(severity, Some("x")));
    let text = report(&complaints.iter().collect::<Vec<_>>(), Format::Sarif);
    let sarif: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules: Vec<_> = run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|r| &r["id"]).collect();
    assert_eq!(rules, ["unknown-keyword"]);
    assert_eq!(run["tool"]["driver"]["name"], "directord");
    let results = run["results"].as_array().unwrap();
    let levels: Vec<_> = results.iter().map(|result| result["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["error", "warning", "note"]);
    let result = &results[0];
    assert_eq!(result["ruleId"], "unknown-keyword");
    assert_eq!(result["message"]["text"], "`priorty` is 100% no keyword\nof any kind; x");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "dir/a%2Cb%3Ac.conf");
    assert_eq!(place["region"], json!({ "startLine": 7, "startColumn": 5, "endColumn": 12 }));
}

#[test]
fn absolute_paths_are_file_references() {
    assert_eq!(uri("/etc/a b.conf"), "file:///etc/a%20b.conf");
    assert_eq!(uri("a.conf"), "a.conf");
}

#[test]
fn the_schema_says_what_is_printed() {
    let schema: Value = serde_json::from_str(include_str!("../../../etc/complaints.schema.json")).unwrap();
    let one = complaint(Severity::Error, None);
    let printed: Value = serde_json::from_str(&report(&[&one], Format::Json)).unwrap();
    let names = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    let listed = |value: &Value| -> BTreeSet<String> {
        value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&schema["properties"]), names(&printed));
    let item = &schema["properties"]["complaints"]["items"];
    let fields = names(&printed["complaints"][0]);
    assert_eq!(names(&item["properties"]), fields);
    assert_eq!(listed(&item["required"]), fields);
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(listed(&item["properties"]["code"]["enum"]), codes);
    let severities =
        [Severity::Error, Severity::Warning, Severity::Hint].map(|severity| severity.to_string());
    assert_eq!(listed(&item["properties"]["severity"]["enum"]), severities.into());
    for (name, value) in printed["complaints"][0].as_object().unwrap() {
        let kind = match value {
            Value::Null => "null",
            Value::Number(_) => "integer",
            _ => "string",
        };
        let allowed = &item["properties"][name]["type"];
        let fits = allowed == kind || allowed.as_array().is_some_and(|kinds| kinds.contains(&json!(kind)));
        assert!(fits || !item["properties"][name]["enum"].is_null(), "{name} is of another type");
    }
}
