//! Benchmarks beside keepalived and ipvsadm, each in one run on one machine: only the ratios mean anything.

use std::fmt;
use std::time::Duration;

pub mod count;

/// Measurements of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Takes one in, in milliseconds.
    pub fn add(&mut self, milliseconds: f64) {
        let at = self.0.partition_point(|x| *x < milliseconds);
        self.0.insert(at, milliseconds);
    }

    /// Takes a duration in.
    pub fn add_duration(&mut self, duration: Duration) {
        self.add(duration.as_secs_f64() * 1e3);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
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
    }
}
