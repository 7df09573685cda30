//! What a daemon costs: processor time and memory of a process and all of its group, from `proc(5)`.

use std::fs;
use std::time::Duration;

/// Costs so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Time on a processor, in the kernel and outside.
    pub processor: Duration,
    /// Resident memory, in MiB: what processes share counts for each of them.
    pub memory_mib: f64,
    /// The same with what is shared divided by those who share it (PSS); zero where the kernel does not tell.
    pub share_mib: f64,
}

impl Cost {
    /// Of all processes of a process group. Those that have gone count nothing.
    pub fn of_group(group: u32) -> Cost {
        let mut cost = Cost::default();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
            let Some((of, ticks)) = group_and_ticks(&read("stat")) else { continue };
            if of == group {
                cost.processor += Duration::from_millis(ticks * 10);
                cost.memory_mib += kib(&read("status"), "VmRSS:").unwrap_or_default() / 1024.0;
                cost.share_mib += kib(&read("smaps_rollup"), "Pss:").unwrap_or_default() / 1024.0;
            }
        }
        cost
    }
}

/// The process group, and the time in hundredths of a second (`USER_HZ`), from `/proc/PID/stat`.
fn group_and_ticks(stat: &str) -> Option<(u32, u64)> {
    // The name before may hold blanks and brackets.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    Some((u32::try_from(number(2)?).ok()?, number(11)? + number(12)?))
}

/// A line of a file with such lines, in KiB.
fn kib(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_disturbs_nothing() {
        let stat = "77 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 5 7 0 0 20 0 1 0 9";
        assert_eq!(group_and_ticks(stat), Some((42, 12)));
        assert_eq!(kib("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2048.0));
    }
}
