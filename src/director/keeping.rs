//! What the table keeps of a service while a configuration takes effect: real servers that go, and the weight of those
//! that sink, until everything that is new is there.
//!
//! For a service of tens of thousands it is gathered a piece at a time, before the service is written.

use std::sync::Arc;

use ipvs_backend::{DestinationKey, DestinationSettings, Service};

/// What is wanted of a service and what is kept of it besides, in the making.
#[derive(Debug)]
pub(super) struct Keeping {
    wanted: Arc<Service>,
    held: Arc<Service>,
    both: Service,
    /// Everything up to here is gathered.
    behind: Option<DestinationKey>,
    is_complete: bool,
}

impl Keeping {
    pub(super) fn new(wanted: Arc<Service>, held: Arc<Service>) -> Self {
        let both = Service::clone(&wanted);
        Keeping { wanted, held, both, behind: None, is_complete: false }
    }

    /// Looks at so many differences at most; how many there were.
    pub(super) fn gather(&mut self, most: usize) -> usize {
        let Keeping { wanted, held, both, behind, is_complete } = self;
        let differences = wanted.destinations.differences_behind(&held.destinations, behind.as_ref());
        let (mut looked, mut kept) = (0, Vec::new());
        for (key, wanted, held) in differences.take(most) {
            (looked, *behind) = (looked + 1, Some(key));
            kept.extend(held.and_then(|held| keeps(wanted, held)).map(|settings| (key, settings)));
        }
        *is_complete = looked < most;
        both.destinations.extend(kept);
        looked
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether this is what it was made for.
    pub(super) fn is_of(&self, wanted: &Arc<Service>, held: &Arc<Service>) -> bool {
        Arc::ptr_eq(&self.wanted, wanted) && Arc::ptr_eq(&self.held, held)
    }

    /// The whole of it; `None` if nothing is kept besides what is wanted.
    pub(super) fn complete(mut self) -> Option<Arc<Service>> {
        while !self.is_complete {
            self.gather(usize::MAX);
        }
        (self.both.destinations != self.wanted.destinations).then(|| Arc::new(self.both))
    }
}

/// What is kept of a real server that is in the table.
fn keeps(wanted: Option<&DestinationSettings>, held: &DestinationSettings) -> Option<DestinationSettings> {
    match wanted {
        None => Some(*held),
        Some(settings) if settings.weight < held.weight => {
            Some(DestinationSettings { weight: held.weight, ..*settings })
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ipvs_backend::{Forwarding, ServiceSettings};
    use proptest::prelude::*;

    use super::*;

    fn service(servers: &[(u8, u32)]) -> Arc<Service> {
        let mut service = Service::new(ServiceSettings::default());
        service.destinations.extend(servers.iter().map(|(last, weight)| {
            let key = DestinationKey::new(Ipv4Addr::new(10, 0, 1, *last).into(), 80);
            (key, DestinationSettings::new(Forwarding::Nat, *weight))
        }));
        Arc::new(service)
    }

    #[test]
    fn who_goes_stays_and_who_sinks_keeps_its_weight_until_the_rest_is_there() {
        let held = service(&[(1, 5), (2, 5), (3, 5), (5, 0)]);
        let wanted = service(&[(2, 1), (3, 9), (4, 7), (5, 0)]);
        let kept = Keeping::new(wanted.clone(), held.clone()).complete().expect("something is kept");
        assert_eq!(kept, service(&[(1, 5), (2, 5), (3, 9), (4, 7), (5, 0)]));
        assert_eq!(Keeping::new(kept, wanted).complete(), None, "what is new is no reason to keep anything");
    }

    fn servers() -> impl Strategy<Value = Arc<Service>> {
        prop::collection::btree_map(0..250_u8, 0..4_u32, 0..250)
            .prop_map(|servers| service(&servers.into_iter().collect::<Vec<_>>()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn pieces_of_any_size_come_to_the_same(wanted in servers(), held in servers(), most in 1..60_usize) {
            let whole = Keeping::new(wanted.clone(), held.clone()).complete();
            let mut keeping = Keeping::new(wanted.clone(), held.clone());
            while !keeping.is_complete() {
                prop_assert!(keeping.gather(most) <= most);
            }
            prop_assert!(keeping.is_of(&wanted, &held));
            prop_assert_eq!(keeping.complete(), whole.clone());
            let kept = whole.unwrap_or_else(|| wanted.clone());
            for (key, before) in &held.destinations {
                let after = kept.destinations.get(key).map(|settings| settings.weight);
                prop_assert!(after >= Some(before.weight.min(after.unwrap_or(0))));
                prop_assert!(after.is_some(), "nobody goes");
            }
            for (key, settings) in &wanted.destinations {
                let before = held.destinations.get(key).map_or(0, |held| held.weight);
                prop_assert_eq!(kept.destinations.get(key).map(|s| s.weight), Some(settings.weight.max(before)));
            }
        }
    }
}
