//! Counters of services and real servers in a dump.

use super::super::number::*;
use super::{Malformed, find, first, number32, server, service_key};
use crate::conn::ConnectionCounts;
use crate::key::{DestinationKey, Family, ServiceKey};
use crate::traffic::{Rates, ServerUsage, Traffic};

/// What was counted of one service of a dump; `None` as with [`decode_service`].
pub fn decode_traffic(item: &[u8]) -> Result<Option<(ServiceKey, Traffic)>, Malformed> {
    let attributes = find(item, IPVS_CMD_ATTR_SERVICE).ok_or(Malformed("answer without a service"))?;
    let counted = traffic(attributes, IPVS_SVC_ATTR_STATS64, IPVS_SVC_ATTR_STATS);
    Ok(service_key(attributes)?.map(|key| (key, counted)))
}

/// What one real server of a dump does, of a service of this family; `None` as with [`decode_destination`].
/// A number that is not told counts as 0.
pub fn decode_usage(
    item: &[u8],
    service: Family,
) -> Result<Option<(DestinationKey, ServerUsage)>, Malformed> {
    let Some((key, attributes)) = server(item, service)? else { return Ok(None) };
    let number = |kind| find(attributes, kind).and_then(number32).unwrap_or(0);
    let connections = ConnectionCounts {
        active: number(IPVS_DEST_ATTR_ACTIVE_CONNS),
        inactive: number(IPVS_DEST_ATTR_INACT_CONNS),
        persistent: number(IPVS_DEST_ATTR_PERSIST_CONNS),
    };
    let traffic = traffic(attributes, IPVS_DEST_ATTR_STATS64, IPVS_DEST_ATTR_STATS);
    Ok(Some((key, ServerUsage { connections, traffic })))
}

/// The counters of a service or real server, where they are told in 64 bits from there. Each number is as wide as it is.
fn traffic(attributes: &[u8], wide: u16, narrow: u16) -> Traffic {
    let told = find(attributes, wide).or_else(|| find(attributes, narrow)).unwrap_or(&[]);
    let number = |kind| {
        let bytes = find(told, kind).unwrap_or(&[]);
        let wide = first(bytes).map(u64::from_ne_bytes);
        wide.or_else(|| number32(bytes).map(u64::from)).unwrap_or(0)
    };
    Traffic {
        connections: number(IPVS_STATS_ATTR_CONNS),
        packets_in: number(IPVS_STATS_ATTR_INPKTS),
        packets_out: number(IPVS_STATS_ATTR_OUTPKTS),
        bytes_in: number(IPVS_STATS_ATTR_INBYTES),
        bytes_out: number(IPVS_STATS_ATTR_OUTBYTES),
        rates: Some(Rates {
            connections: number(IPVS_STATS_ATTR_CPS),
            packets_in: number(IPVS_STATS_ATTR_INPPS),
            packets_out: number(IPVS_STATS_ATTR_OUTPPS),
            bytes_in: number(IPVS_STATS_ATTR_INBPS),
            bytes_out: number(IPVS_STATS_ATTR_OUTBPS),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{server, service};

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// The ten numbers, each as wide as `bytes` makes it.
    fn numbers(bytes: impl Fn(u16) -> Vec<u8>) -> Vec<u8> {
        (1..=10).flat_map(|kind| attribute(kind, &bytes(kind))).collect()
    }

    fn narrow() -> Vec<u8> {
        // `ip_vs_genl_fill_stats`: bytes are wide even here, everything else is not.
        numbers(|kind| match kind {
            4 | 5 => (u64::from(kind) << 40).to_ne_bytes().to_vec(),
            _ => u32::from(kind).to_ne_bytes().to_vec(),
        })
    }

    fn wide() -> Vec<u8> {
        numbers(|kind| ((u64::from(kind) << 40) + 7).to_ne_bytes().to_vec())
    }

    fn of_service(more: &[Vec<u8>]) -> Vec<u8> {
        let mut content = [
            attribute(IPVS_SVC_ATTR_AF, &AF_INET.to_ne_bytes()),
            attribute(IPVS_SVC_ATTR_PROTOCOL, &IPPROTO_TCP.to_ne_bytes()),
            attribute(IPVS_SVC_ATTR_ADDR, &[10, 0, 0, 1]),
            attribute(IPVS_SVC_ATTR_PORT, &80u16.to_be_bytes()),
        ]
        .concat();
        content.extend(more.concat());
        attribute(IPVS_CMD_ATTR_SERVICE, &content)
    }

    #[test]
    fn wide_numbers_count_before_narrow_ones() {
        let both = [attribute(IPVS_SVC_ATTR_STATS, &narrow()), attribute(IPVS_SVC_ATTR_STATS64, &wide())];
        let (key, traffic) = decode_traffic(&of_service(&both)).unwrap().unwrap();
        assert_eq!(key, service("[10.0.0.1]:tcp:80"));
        assert_eq!(traffic.connections, (1 << 40) + 7);
        assert_eq!((traffic.packets_in, traffic.bytes_out), ((2 << 40) + 7, (5 << 40) + 7));
        let rates = traffic.rates.unwrap();
        assert_eq!((rates.connections, rates.bytes_out), ((6 << 40) + 7, (10 << 40) + 7));
    }

    #[test]
    fn an_old_kernel_tells_narrow_ones() {
        let item = of_service(&[attribute(IPVS_SVC_ATTR_STATS, &narrow())]);
        let (_, traffic) = decode_traffic(&item).unwrap().unwrap();
        assert_eq!((traffic.connections, traffic.packets_out, traffic.bytes_in), (1, 3, 4 << 40));
        assert_eq!(traffic.rates.unwrap().packets_in, 7);
        // And one that tells nothing is no mistake.
        let (_, traffic) = decode_traffic(&of_service(&[])).unwrap().unwrap();
        assert_eq!(traffic, Traffic { rates: Some(Rates::default()), ..Traffic::default() });
    }

    #[test]
    fn connections_and_traffic_of_a_real_server() {
        let item = attribute(
            IPVS_CMD_ATTR_DEST,
            &[
                attribute(IPVS_DEST_ATTR_ADDR, &[10, 0, 0, 2]),
                attribute(IPVS_DEST_ATTR_PORT, &8080u16.to_be_bytes()),
                attribute(IPVS_DEST_ATTR_ACTIVE_CONNS, &3u32.to_ne_bytes()),
                attribute(IPVS_DEST_ATTR_PERSIST_CONNS, &5u32.to_ne_bytes()),
                attribute(IPVS_DEST_ATTR_STATS64, &wide()),
            ]
            .concat(),
        );
        let (key, usage) = decode_usage(&item, Family::V4).unwrap().unwrap();
        assert_eq!(key, server("10.0.0.2:8080"));
        assert_eq!(usage.connections, ConnectionCounts { active: 3, inactive: 0, persistent: 5 });
        assert_eq!(usage.traffic.packets_in, (2 << 40) + 7);
    }
}
