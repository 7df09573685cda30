//! Who is to be master, and how long to wait for the one that is.
//!
//! Both questions are answered by arithmetic alone. The router with the higher priority wins, and
//! among equals the one with the numerically higher address. A backup waits for a few missed adverts
//! and then for its skew, a fraction that is the smaller the higher its own priority: so the best of
//! several backups wakes up first and the others hear it in time.

use std::net::IpAddr;
use std::time::Duration;

use crate::advert::Version;

/// What a router puts into the balance. The address decides among equal priorities; a router that does
/// not know its own address loses to every other (RFC 9568, 6.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Effective priority.
    pub priority: u8,
    /// Address that adverts come from.
    pub source: Option<IpAddr>,
}

/// The extra wait of a backup. Version 2: a fraction of one second whatever the interval (RFC 3768,
/// 6.1). Version 3: a fraction of the master's interval (RFC 9568, 6.1).
pub fn skew(version: Version, priority: u8, master_interval: Duration) -> Duration {
    let whole = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => master_interval,
    };
    whole * (256 - u32::from(priority)) / 256
}

/// How long a backup waits for a silent master: `down_timer_adverts` intervals and the skew (RFC 9568,
/// 6.1, where the number is three).
pub fn master_down(version: Version, priority: u8, master_interval: Duration, adverts: u8) -> Duration {
    master_interval * u32::from(adverts) + skew(version, priority, master_interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn skew_of_version_2_is_a_fraction_of_a_second() {
        assert_eq!(skew(Version::V2, 128, millis(1_000)), millis(500));
        assert_eq!(skew(Version::V2, 128, millis(10_000)), millis(500));
        assert_eq!(skew(Version::V2, 255, millis(1_000)), Duration::from_nanos(3_906_250));
    }

    #[test]
    fn skew_of_version_3_is_a_fraction_of_the_interval() {
        assert_eq!(skew(Version::V3, 128, millis(1_000)), millis(500));
        assert_eq!(skew(Version::V3, 128, millis(100)), millis(50));
    }

    #[test]
    fn master_down_is_three_intervals_and_the_skew() {
        // A backup of priority 100 at one second: the 3609.4 ms that are seen on the wire.
        assert_eq!(master_down(Version::V3, 100, millis(1_000), 3), Duration::from_nanos(3_609_375_000));
        assert_eq!(master_down(Version::V2, 100, millis(1_000), 3), Duration::from_nanos(3_609_375_000));
        assert_eq!(master_down(Version::V3, 100, millis(10), 3), Duration::from_nanos(36_093_750));
        assert_eq!(master_down(Version::V2, 128, millis(1_000), 5), millis(5_500));
    }

    #[test]
    fn priority_decides_then_the_address() {
        let claim = |priority, last| Claim { priority, source: Some(IpAddr::from([10, 0, 0, last])) };
        assert!(claim(101, 1) > claim(100, 9));
        assert!(claim(100, 10) > claim(100, 9), "numerically, not as text");
        assert!(claim(100, 1) > Claim { priority: 100, source: None });
    }
}
