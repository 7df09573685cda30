//! Guests, end to end: what goes in comes out unchanged, and nothing stays behind.

use lab::error::LabError;
use lab::guest::{self, Captured};
use lab::job::Job;
use lab::netns::skip;
use std::path::Path;
use std::time::Duration;

/// A shell line in a guest, or nothing where guests cannot run.
fn shell(line: &str) -> Option<Captured> {
    match guest::run_binary(Path::new("/bin/sh"), &["-c", line], &[("GREETING", "good day")]) {
        Ok(captured) => Some(captured),
        Err(LabError::Unavailable(reason)) => {
            skip(&reason);
            None
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn bytes_status_and_streams_come_out_as_they_went_in() {
    let Some(said) = shell(r#"printf 'a\000\r\n\377b'; echo "$GREETING" >&2; id -u >&2; exit 7"#) else {
        return;
    };
    assert_eq!(said.stdout, b"a\0\r\n\xffb");
    assert_eq!(String::from_utf8_lossy(&said.stderr), "good day\n0\n");
    assert_eq!(said.status, 7);
}

#[test]
fn the_kernel_has_ipvs_and_loads_what_is_asked_for() {
    let line = "export LD_LIBRARY_PATH=$LAB_TOOLS/usr/lib/x86_64-linux-gnu:$LAB_TOOLS/lib/x86_64-linux-gnu
        PATH=$LAB_TOOLS/usr/sbin:$LAB_TOOLS/sbin:$PATH
        for scheduler in rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh; do
            ipvsadm -A -f $((n += 1)) -s $scheduler || exit 1
        done
        grep -c ^FWM /proc/net/ip_vs";
    let Some(said) = shell(line) else { return };
    assert_eq!(String::from_utf8_lossy(&said.stdout), "13\n", "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn the_host_is_read_only() {
    let Some(said) =
        shell("touch /usr/bin/x 2>/dev/null || touch /run/host/tmp/x 2>/dev/null || echo refused")
    else {
        return;
    };
    assert_eq!(said.stdout, b"refused\n");
}

#[test]
fn a_job_that_does_not_end_is_ended() {
    if shell("true").is_none() {
        return;
    }
    let mut job = Job::new(vec!["sleep".into(), "1000".into()]);
    job.timeout = Duration::from_secs(4);
    match guest::run(&job, &mut |_| {}) {
        Err(LabError::Timeout { seconds: 4, .. }) => {}
        other => panic!("{other:?}"),
    }
}
