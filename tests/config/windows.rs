//! `maintenance_window`: its keywords, their mistakes, and the way back to text.

use directord::config::write;

use super::*;

/// Whether the configuration is the same once it is written and read again.
#[track_caller]
fn is_written(config: &Config) {
    let text = write::text(&write::lines(config));
    assert_eq!(&good(&text), config, "{text}");
}

#[test]
fn maintenance_windows_add_up_and_their_mistakes_are_told() {
    let window = |lines: &str| format!("maintenance_window {{\n{lines}\n}}\n");
    let read = |lines: &str| {
        let config = good(&service(&format!("{}{SERVER}", window(lines))));
        is_written(&config);
        let windows = &only_service(&config).windows;
        let [one] = windows.as_slice() else { panic!("{windows:?}") };
        let days: Vec<&str> = one.days.names().collect();
        format!("{} {}-{} {} {}", days.join(","), one.from, one.to, one.clock.as_str(), one.mode.as_str())
    };
    let every = "mon,tue,wed,thu,fri,sat,sun";
    for (lines, expected) in [
        ("from 02:00\nto 04:30", format!("{every} 02:00-04:30 local drain")),
        ("days sat sun\nfrom 2:05\nto 24:00\ntimezone utc", "sat,sun 02:05-24:00 utc drain".to_owned()),
        (
            "days fri-mon\nfrom 23:00\nto 01:00\nmode disable",
            "mon,fri,sat,sun 23:00-01:00 local disable".into(),
        ),
        ("days Monday THU\nfrom 00:00\nto 24:00", "mon,thu 00:00-24:00 local drain".to_owned()),
    ] {
        assert_eq!(read(lines), expected, "{lines}");
    }
    for wrong in [
        "from 02:00",
        "to 02:00",
        "",
        "from 02:00\nto 02:00",
        "from 24:00\nto 02:00",
        "from 02:60\nto 04:00",
        "from 2\nto 4",
        "from +2:00\nto 4:00",
        "from 02:000\nto 4:00",
        "from 02:00\nto 24:01",
        "days\nfrom 02:00\nto 4:00",
        "days caturday\nfrom 02:00\nto 4:00",
        "days sat-\nfrom 02:00\nto 4:00",
        "from 02:00\nto 4:00\nmode stop",
        "from 02:00\nto 4:00\ntimezone Europe/Berlin",
        "from 02:00\nto 4:00\nreason",
        "from 02:00\nto 4:00\nuntil 5:00",
    ] {
        let reading = read_text("a", &service(&format!("{}{SERVER}", window(wrong))));
        assert!(reading.config.is_none(), "{wrong}: {}", shown(&reading));
    }
    // At each of its places, and more than one at each.
    let two = window("from 02:00\nto 03:00\nreason one") + &window("days sun\nfrom 05:00\nto 06:00");
    let server = SERVER.replacen('{', &format!("{{\n{two}"), 1);
    let config = good(&format!("global_defs {{\n{two}}}\n{}", service(&format!("{two}{server}"))));
    let of_service = only_service(&config);
    let only_server = of_service.servers.values().next().expect("a server");
    let counts = [&config.global.lvs.windows, &of_service.windows, &only_server.extras().windows];
    assert_eq!(counts.map(Vec::len), [2, 2, 2]);
    is_written(&config);
    // Whether there are any is seen at each of them.
    let backup = server.replacen("real_server", "backup_server", 1).replacen("10.0.1", "10.0.9", 1);
    for (text, any) in [
        (service(SERVER), false),
        (format!("global_defs {{\n{two}}}\n{}", service(SERVER)), true),
        (service(&format!("{two}{SERVER}")), true),
        (service(&server), true),
        (service(&format!("{SERVER}\n{backup}")), true),
    ] {
        assert_eq!(good(&text).has_windows(), any, "{text}");
    }
}
