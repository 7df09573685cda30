//! Accept mode, as a client on the same segment sees it: a virtual address that does not answer is there all the same
//! for neighbour discovery.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, skip, wait_until};

use super::{SLACK, fast, start, wait_role};

/// Whether a connection to a closed port of this address is answered.
fn answers(client: &Host, address: IpAddr) -> bool {
    let attempt =
        client.enter(|| TcpStream::connect_timeout(&(address, 9).into(), Duration::from_millis(400)));
    match attempt.map(|_| ()).map_err(|error| error.kind()) {
        Err(ErrorKind::ConnectionRefused) => true,
        Err(ErrorKind::TimedOut) => false,
        other => panic!("{address}: {other:?}"),
    }
}

/// The MAC address that a client has found for an address.
fn neighbour(client: &Host, address: IpAddr) -> Option<String> {
    let json: serde_json::Value =
        serde_json::from_str(&client.ip(&format!("-j neigh show {address}"))).ok()?;
    Some(json.get(0)?.get("lladdr")?.as_str()?.to_owned())
}

fn mac(host: &Host, interface: &str) -> String {
    let json: serde_json::Value =
        serde_json::from_str(&host.ip(&format!("-j link show {interface}"))).expect("JSON");
    json[0]["address"].as_str().expect("a MAC address").to_owned()
}

/// Master with this text, on a kernel that has nftables.
fn master<'a>(host: &'a Host, text: &str) -> Option<Daemon<'a>> {
    let daemon = start(host, &text.to_owned());
    wait_role(&daemon, "MASTER");
    wait_until("the address", SLACK, || {
        (host.ip("addr").contains("/24") && daemon.status()?["addresses"]["applied"].as_u64()? > 0)
            .then_some(())
    });
    if daemon.log().contains("the kernel has no nftables") {
        skip("the kernel has no nftables");
        return None;
    }
    Some(daemon)
}

fn expect(client: &Host, address: IpAddr, answer: bool) {
    let what = format!("{address} {}", if answer { "answers" } else { "does not answer" });
    wait_until(&what, SLACK, || (answers(client, address) == answer).then_some(()));
}

#[test]
fn a_silent_master_answers_neighbours_only() {
    in_namespaces!();
    let net = Net::new(&["one", "client"]);
    let (one, client) = (net.host("one"), net.host("client"));
    let vip = IpAddr::V4(Instance::VIP);
    let silent = Instance { more: "no_accept".into(), ..fast(100) };
    let Some(mut daemon) = master(one, &silent.to_string()) else { return };
    expect(client, vip, false);
    assert_eq!(neighbour(client, vip), Some(mac(one, "eth0")), "neighbour discovery goes on");
    assert!(answers(client, one.address().into()), "the host's own address is not concerned");

    daemon.reload(&Instance { more: "accept".into(), ..fast(100) }.to_string());
    expect(client, vip, true);
    daemon.reload(&silent.to_string());
    expect(client, vip, false);
    daemon.stop();
    // The address as somebody else's: nothing of ours drops packets to it.
    one.ip(&format!("addr add {vip}/24 dev eth0"));
    assert!(answers(client, vip));
}

#[test]
fn strict_mode_is_silent_unless_told_otherwise() {
    in_namespaces!();
    let net = Net::new(&["one", "client"]);
    let (one, client) = (net.host("one"), net.host("client"));
    let vip = IpAddr::V4(Instance::VIP);
    let text = format!("global_defs {{\n    vrrp_strict\n}}\n{}", fast(100));
    let Some(daemon) = master(one, &text) else { return };
    expect(client, vip, false);
    daemon.reload(&text.replace("priority", "accept\n    priority"));
    expect(client, vip, true);
}

#[test]
fn a_silent_ipv6_master_answers_neighbours_only() {
    in_namespaces!();
    let net = Net::new(&["one", "client"]);
    let (one, client) = (net.host("one"), net.host("client"));
    client.ip("addr add 2001:db8::9/64 dev eth0 nodad");
    one.ip("addr add 2001:db8::1/64 dev eth0 nodad");
    let instance = Instance { more: "no_accept".into(), ..fast(100).v6() };
    let Some(daemon) = master(one, &instance.to_string()) else { return };
    expect(client, Instance::VIP_V6.into(), false);
    assert_eq!(neighbour(client, Instance::VIP_V6.into()), Some(mac(one, "eth0")));
    assert!(answers(client, "2001:db8::1".parse().expect("an address")));
    // Link-local addresses mean something on their interface only: ours does not answer, the host's own does.
    let link_local = |text: &str| {
        let address: std::net::Ipv6Addr = text.parse().expect("an address");
        client.enter(|| {
            let index = nix::net::if_::if_nametoindex("eth0").expect("an interface");
            let address = std::net::SocketAddrV6::new(address, 9, 0, index);
            TcpStream::connect_timeout(&address.into(), Duration::from_millis(400))
                .map(|_| ())
                .map_err(|e| e.kind())
        })
    };
    assert_eq!(link_local("fe80::64"), Err(ErrorKind::TimedOut));
    assert_eq!(link_local("fe80::1"), Err(ErrorKind::ConnectionRefused));
    daemon.reload(&fast(100).v6().to_string());
    expect(client, Instance::VIP_V6.into(), true);
}
