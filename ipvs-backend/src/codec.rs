//! Generic netlink messages of IPVS: operations become bytes, the kernel's answers become values.
//!
//! Pure functions over byte slices; none of them panics on anything. A message is a netlink header (16 bytes,
//! `struct nlmsghdr`), a generic netlink header (4 bytes, `struct genlmsghdr`) and attributes (length, kind,
//! value, padded to 4 bytes). Numbers are in the host's byte order except where the kernel's header says
//! `__be`: ports, the firewall-mark-free address and the IPv4 netmask. Sources: `linux/netlink.h`,
//! `linux/genetlink.h`, `linux/ip_vs.h`; which attributes the kernel demands:
//! `net/netfilter/ipvs/ip_vs_ctl.c`.

mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod wire;

pub use decode::{
    Answer, Body, Info, Malformed, Messages, decode_daemon, decode_destination, decode_family, decode_info,
    decode_service, decode_timeouts, decode_traffic, decode_usage, knows_tunnels,
};
pub use encode::{Request, request};
pub use wire::ServiceWire;

/// Numbers of `linux/netlink.h` and `linux/genetlink.h`.
pub(crate) mod netlink {
    /// Length of `struct nlmsghdr`.
    pub const HEADER: usize = 16;
    /// Length of `struct genlmsghdr`.
    pub const GENERIC_HEADER: usize = 4;

    pub const NLMSG_NOOP: u16 = 1;
    pub const NLMSG_ERROR: u16 = 2;
    pub const NLMSG_DONE: u16 = 3;
    pub const NLMSG_OVERRUN: u16 = 4;

    pub const NLM_F_REQUEST: u16 = 0x01;
    pub const NLM_F_ACK: u16 = 0x04;
    pub const NLM_F_DUMP_INTR: u16 = 0x10;
    pub const NLM_F_DUMP: u16 = 0x300;
    /// In an answer: the request is not repeated in it beyond its header.
    pub const NLM_F_CAPPED: u16 = 0x100;
    /// In an answer: attributes follow.
    pub const NLM_F_ACK_TLVS: u16 = 0x200;
    /// `NLMSGERR_ATTR_MSG`: the kernel's own words.
    pub const NLMSGERR_ATTR_MSG: u16 = 1;

    /// Kind of an attribute without its flags (`NLA_TYPE_MASK`).
    pub const NLA_TYPE_MASK: u16 = 0x3fff;
    pub const NLA_F_NESTED: u16 = 0x8000;

    /// `GENL_ID_CTRL`, the family that knows the others.
    pub const GENL_ID_CTRL: u16 = 0x10;
    pub const CTRL_CMD_GETFAMILY: u8 = 3;
    pub const CTRL_ATTR_FAMILY_ID: u16 = 1;
    pub const CTRL_ATTR_FAMILY_NAME: u16 = 2;
    pub const CTRL_VERSION: u8 = 2;
}

/// Numbers of `linux/ip_vs.h`.
pub(crate) mod number {
    pub const IPVS_GENL_NAME: &[u8] = b"IPVS\0";
    pub const IPVS_GENL_VERSION: u8 = 1;

    pub const IPVS_CMD_NEW_SERVICE: u8 = 1;
    pub const IPVS_CMD_SET_SERVICE: u8 = 2;
    pub const IPVS_CMD_DEL_SERVICE: u8 = 3;
    pub const IPVS_CMD_GET_SERVICE: u8 = 4;
    pub const IPVS_CMD_NEW_DEST: u8 = 5;
    pub const IPVS_CMD_SET_DEST: u8 = 6;
    pub const IPVS_CMD_DEL_DEST: u8 = 7;
    pub const IPVS_CMD_GET_DEST: u8 = 8;
    pub const IPVS_CMD_NEW_DAEMON: u8 = 9;
    pub const IPVS_CMD_DEL_DAEMON: u8 = 10;
    pub const IPVS_CMD_GET_DAEMON: u8 = 11;
    pub const IPVS_CMD_SET_CONFIG: u8 = 12;
    pub const IPVS_CMD_GET_CONFIG: u8 = 13;
    pub const IPVS_CMD_GET_INFO: u8 = 15;

    pub const IPVS_CMD_ATTR_SERVICE: u16 = 1;
    pub const IPVS_CMD_ATTR_DEST: u16 = 2;
    pub const IPVS_CMD_ATTR_DAEMON: u16 = 3;
    pub const IPVS_CMD_ATTR_TIMEOUT_TCP: u16 = 4;
    pub const IPVS_CMD_ATTR_TIMEOUT_TCP_FIN: u16 = 5;
    pub const IPVS_CMD_ATTR_TIMEOUT_UDP: u16 = 6;

    pub const IPVS_SVC_ATTR_AF: u16 = 1;
    pub const IPVS_SVC_ATTR_PROTOCOL: u16 = 2;
    pub const IPVS_SVC_ATTR_ADDR: u16 = 3;
    pub const IPVS_SVC_ATTR_PORT: u16 = 4;
    pub const IPVS_SVC_ATTR_FWMARK: u16 = 5;
    pub const IPVS_SVC_ATTR_SCHED_NAME: u16 = 6;
    pub const IPVS_SVC_ATTR_FLAGS: u16 = 7;
    pub const IPVS_SVC_ATTR_TIMEOUT: u16 = 8;
    pub const IPVS_SVC_ATTR_NETMASK: u16 = 9;
    pub const IPVS_SVC_ATTR_STATS: u16 = 10;
    pub const IPVS_SVC_ATTR_PE_NAME: u16 = 11;
    pub const IPVS_SVC_ATTR_STATS64: u16 = 12;

    pub const IPVS_DEST_ATTR_ADDR: u16 = 1;
    pub const IPVS_DEST_ATTR_PORT: u16 = 2;
    pub const IPVS_DEST_ATTR_FWD_METHOD: u16 = 3;
    pub const IPVS_DEST_ATTR_WEIGHT: u16 = 4;
    pub const IPVS_DEST_ATTR_U_THRESH: u16 = 5;
    pub const IPVS_DEST_ATTR_L_THRESH: u16 = 6;
    pub const IPVS_DEST_ATTR_ACTIVE_CONNS: u16 = 7;
    pub const IPVS_DEST_ATTR_INACT_CONNS: u16 = 8;
    pub const IPVS_DEST_ATTR_PERSIST_CONNS: u16 = 9;
    pub const IPVS_DEST_ATTR_STATS: u16 = 10;
    pub const IPVS_DEST_ATTR_ADDR_FAMILY: u16 = 11;
    pub const IPVS_DEST_ATTR_STATS64: u16 = 12;
    pub const IPVS_DEST_ATTR_TUN_TYPE: u16 = 13;
    pub const IPVS_DEST_ATTR_TUN_PORT: u16 = 14;
    pub const IPVS_DEST_ATTR_TUN_FLAGS: u16 = 15;

    pub const IPVS_STATS_ATTR_CONNS: u16 = 1;
    pub const IPVS_STATS_ATTR_INPKTS: u16 = 2;
    pub const IPVS_STATS_ATTR_OUTPKTS: u16 = 3;
    pub const IPVS_STATS_ATTR_INBYTES: u16 = 4;
    pub const IPVS_STATS_ATTR_OUTBYTES: u16 = 5;
    pub const IPVS_STATS_ATTR_CPS: u16 = 6;
    pub const IPVS_STATS_ATTR_INPPS: u16 = 7;
    pub const IPVS_STATS_ATTR_OUTPPS: u16 = 8;
    pub const IPVS_STATS_ATTR_INBPS: u16 = 9;
    pub const IPVS_STATS_ATTR_OUTBPS: u16 = 10;

    pub const IPVS_DAEMON_ATTR_STATE: u16 = 1;
    pub const IPVS_DAEMON_ATTR_MCAST_IFN: u16 = 2;
    pub const IPVS_DAEMON_ATTR_SYNC_ID: u16 = 3;
    pub const IPVS_DAEMON_ATTR_SYNC_MAXLEN: u16 = 4;
    pub const IPVS_DAEMON_ATTR_MCAST_GROUP: u16 = 5;
    pub const IPVS_DAEMON_ATTR_MCAST_GROUP6: u16 = 6;
    pub const IPVS_DAEMON_ATTR_MCAST_PORT: u16 = 7;
    pub const IPVS_DAEMON_ATTR_MCAST_TTL: u16 = 8;

    /// `IP_VS_STATE_MASTER` and `IP_VS_STATE_BACKUP`.
    pub const IP_VS_STATE_MASTER: u32 = 1;
    pub const IP_VS_STATE_BACKUP: u32 = 2;

    pub const IPVS_INFO_ATTR_VERSION: u16 = 1;
    pub const IPVS_INFO_ATTR_CONN_TAB_SIZE: u16 = 2;

    pub const IP_VS_SVC_F_PERSISTENT: u32 = 0x0001;

    pub const IP_VS_CONN_F_FWD_MASK: u32 = 0x0007;
    pub const IP_VS_CONN_F_MASQ: u32 = 0;
    pub const IP_VS_CONN_F_LOCALNODE: u32 = 1;
    pub const IP_VS_CONN_F_TUNNEL: u32 = 2;
    pub const IP_VS_CONN_F_DROUTE: u32 = 3;

    /// `AF_INET` and `AF_INET6` of Linux.
    pub const AF_INET: u16 = 2;
    pub const AF_INET6: u16 = 10;

    pub const IPPROTO_TCP: u16 = 6;
    pub const IPPROTO_UDP: u16 = 17;
    pub const IPPROTO_SCTP: u16 = 132;

    /// `IP_VS_SCHEDNAME_MAXLEN` and `IP_VS_PENAME_MAXLEN`, with the closing zero byte.
    pub const NAME_MAXLEN: usize = 16;
}
