//! Rules of the packet filter that virtual addresses, virtual MAC interfaces and server groups need.

use serde::{Deserialize, Serialize};

/// How the packet filter is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketFilter {
    /// `nftables`: the table. `None`: `directord`, with `--compat` `keepalived`, once a rule is needed.
    pub nftables: Option<String>,
    /// `nftables_priority` of the chains, -1 by default.
    pub priority: i32,
    /// `nftables_ifindex`: match interfaces by index, as it is anyway if no table is named.
    pub by_index: bool,
    /// `nftables_counters`: count in each rule.
    pub counters: bool,
    /// `nftables_ipvs`: the table in which packets for server groups are marked. `None`: they are not.
    pub ipvs: Option<String>,
    /// `nftables_ipvs_priority`, -1 by default.
    pub ipvs_priority: i32,
    /// `nftables_ipvs_start_fwmark`: the first mark, 1000 by default.
    pub ipvs_first_mark: u32,
    /// `vrrp_iptables`: the chains for packets that come in and go out, if iptables is used; nftables is.
    pub iptables: Option<Chains>,
    /// `vrrp_ipsets`: the sets used with iptables; none of them for no sets at all. `None`: `keepalived` and so on.
    pub ipsets: Option<Vec<String>>,
}

impl Default for PacketFilter {
    fn default() -> Self {
        Self {
            nftables: None,
            priority: -1,
            by_index: false,
            counters: false,
            ipvs: None,
            ipvs_priority: -1,
            ipvs_first_mark: 1000,
            iptables: None,
            ipsets: None,
        }
    }
}

/// `vrrp_iptables`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chains {
    /// For packets that come in, `INPUT` by default.
    pub input: String,
    /// For packets that go out; `OUTPUT` if no chain is named at all.
    pub output: Option<String>,
}
