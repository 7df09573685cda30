//! Benchmarks beside keepalived and ipvsadm, each in one run on one machine: only the ratios mean anything.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use lab::netns::Program;

pub mod checker;
pub mod cost;
pub mod count;
pub mod servers;
pub mod sleepers;

/// Handed to the inner run, which cannot build: there is no network in there.
const DIRECTORD: &str = "BENCH_DIRECTORD";

/// Handed on likewise: the library that stands in for IPVS.
const STANDIN: &str = "BENCH_STANDIN";
/// Handed on likewise: where ldirectord was unpacked.
const LDIRECTORD: &str = "BENCH_LDIRECTORD";

/// Builds directord where this run does not know where it is, and starts this program again knowing it: how that ended.
pub fn with_directord() -> Option<ExitCode> {
    with(&[(DIRECTORD, || lab::cargo::build("directord", "directord"))])
}

/// The same with the library that lets keepalived run without IPVS, and with ldirectord.
pub fn with_peers() -> Option<ExitCode> {
    let directord: Made = (DIRECTORD, || lab::cargo::build("directord", "directord"));
    with(&[directord, (STANDIN, lab::cargo::standin), (LDIRECTORD, fetch_ldirectord)])
}

/// No path at all where it cannot be had: the others are measured without it.
fn fetch_ldirectord() -> lab::error::Result<PathBuf> {
    Ok(lab::packages::ldirectord().map_or_else(
        |error| {
            eprintln!("ldirectord is left out: {error}");
            PathBuf::new()
        },
        |tools| tools.root,
    ))
}

/// Where ldirectord and its Perl modules were unpacked, if they were.
pub fn ldirectord() -> Option<PathBuf> {
    std::env::var_os(LDIRECTORD).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty())
}

/// Something to be built, and the variable that tells where it is.
type Made = (&'static str, fn() -> lab::error::Result<PathBuf>);

fn with(things: &[Made]) -> Option<ExitCode> {
    if things.iter().all(|(name, _)| std::env::var_os(name).is_some()) {
        return None;
    }
    let again = || {
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command.args(std::env::args_os().skip(1));
        for (name, make) in things.iter().filter(|(name, _)| std::env::var_os(name).is_none()) {
            command.env(name, make().map_err(|error| error.to_string())?);
        }
        command.status().map(lab::netns::exit_code).map_err(|error| error.to_string())
    };
    Some(match again() {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

/// The directord that [`with_directord`] found.
pub fn directord() -> Program {
    Program::Directord(std::env::var_os(DIRECTORD).unwrap_or_else(|| "directord".into()).into())
}

/// Measurements of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Takes one in, in milliseconds.
    pub fn add(&mut self, milliseconds: f64) {
        let at = self.0.partition_point(|x| *x < milliseconds);
        self.0.insert(at, milliseconds);
    }

    /// Takes many in.
    pub fn extend(&mut self, milliseconds: impl IntoIterator<Item = f64>) {
        self.0.extend(milliseconds);
        self.0.sort_by(f64::total_cmp);
    }

    /// The standard deviation; NaN if there are none.
    pub fn deviation(&self) -> f64 {
        let n = self.0.len() as f64;
        let mean = self.0.iter().sum::<f64>() / n;
        (self.0.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()
    }

    /// The value that this part of all, 0 to 1, do not exceed; NaN if there are none.
    pub fn part(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((last * part).round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// Takes a duration in.
    pub fn add_duration(&mut self, duration: Duration) {
        self.add(duration.as_secs_f64() * 1e3);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many are larger.
    pub fn above(&self, milliseconds: f64) -> usize {
        self.0.iter().filter(|x| **x > milliseconds).count()
    }

    /// The middle one, or the mean of the two in the middle; NaN if there are none.
    pub fn median(&self) -> f64 {
        let n = self.0.len();
        let middle = [n.saturating_sub(1) / 2, n / 2].map(|i| self.0.get(i).copied().unwrap_or(f64::NAN));
        middle.iter().sum::<f64>() / 2.0
    }

    /// The smallest; NaN if there are none.
    pub fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    /// The largest; NaN if there are none.
    pub fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }
}

/// A ratio as it is printed: `0.98 x`, or `-` where there is nothing to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(pub f64);

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_finite() { f.pad(&format!("{:.2} x", self.0)) } else { f.pad("-") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        let mut samples = Samples::default();
        assert!(samples.median().is_nan());
        for x in [3.0, 1.0, 10.0] {
            samples.add(x);
        }
        assert_eq!((samples.min(), samples.median(), samples.max()), (1.0, 3.0, 10.0));
        samples.add(4.0);
        assert_eq!(samples.median(), 3.5);
        assert_eq!((samples.part(0.0), samples.part(0.7), samples.part(1.0)), (1.0, 4.0, 10.0));
        let mut even = Samples::default();
        even.extend([4.0, 2.0, 4.0, 2.0]);
        assert_eq!((even.deviation(), even.min()), (1.0, 2.0));
    }
}
