//! Lets keepalived check servers on kernels without IPVS, and records what it would tell the table.
//!
//! Where the kernel knows no generic netlink family of that name, keepalived programs the table by the older socket
//! options of `linux/ip_vs.h`. This library is loaded before the C library and stands in for `getsockopt` and
//! `setsockopt`: questions about IPVS get the answer of an empty table, commands succeed and make a line each in the file
//! that `STANDIN_RECORD` names. Every other option goes on to the kernel.
//!
//! A line is `NANOSECONDS COMMAND SERVICE SERVER WEIGHT`, the time counted from 1970; commands that are not about a server
//! end after the service or the command.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::OnceLock;
use std::time::SystemTime;

/// `IP_VS_BASE_CTL`, and how many options may follow it.
const BASE: c_int = 64 + 1024 + 64;
const OPTIONS: c_int = 64;
/// Commands, from `BASE`; those for servers carry a server behind the service.
const COMMANDS: [(c_int, &str); 7] = [
    (2, "add"),
    (3, "edit"),
    (4, "delete"),
    (5, "flush"),
    (7, "add-server"),
    (8, "delete-server"),
    (9, "edit-server"),
];
/// `struct ip_vs_service_user`, and where its fields lie.
const SERVICE: usize = 44;
const SERVICE_ADDRESS: usize = 4;
const SERVICE_PORT: usize = 8;
const SERVICE_MARK: usize = 12;
/// `struct ip_vs_dest_user` behind it.
const SERVER_ADDRESS: usize = SERVICE;
const SERVER_PORT: usize = SERVICE + 4;
const SERVER_WEIGHT: usize = SERVICE + 12;
/// `IP_VS_SO_GET_INFO`, its `struct ip_vs_getinfo`, and the version that current kernels tell (1.2.1).
const GET_INFO: c_int = BASE + 1;
const INFO: usize = 12;
const VERSION: u32 = 0x01_02_01;

/// As the C library's.
///
/// # Safety
/// As for `setsockopt(2)`: `value` must point to `length` bytes.
#[expect(
    unsafe_code,
    reason = "it takes the place of a function of the C library, which is made of raw pointers"
)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn setsockopt(
    socket: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    length: libc::socklen_t,
) -> c_int {
    if level == libc::IPPROTO_IP && (BASE..BASE + OPTIONS).contains(&name) {
        let settings = match value.is_null() {
            true => &[],
            // SAFETY: the caller says that there are so many bytes, and they live through this call.
            false => unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length as usize) },
        };
        record(name - BASE, settings);
        return 0;
    }
    // SAFETY: the caller's own arguments.
    unsafe { libc::syscall(libc::SYS_setsockopt, socket, level, name, value, length) as c_int }
}

/// As the C library's.
///
/// # Safety
/// As for `getsockopt(2)`: `length` must point to the number of bytes that `value` points to.
#[expect(
    unsafe_code,
    reason = "it takes the place of a function of the C library, which is made of raw pointers"
)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockopt(
    socket: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    length: *mut libc::socklen_t,
) -> c_int {
    if level != libc::IPPROTO_IP || !(BASE..BASE + OPTIONS).contains(&name) {
        // SAFETY: the caller's own arguments.
        return unsafe { libc::syscall(libc::SYS_getsockopt, socket, level, name, value, length) as c_int };
    }
    // SAFETY: the caller's own arguments again; `errno` is this thread's own.
    unsafe {
        if name != GET_INFO || value.is_null() || length.is_null() || (*length as usize) < INFO {
            *libc::__errno_location() = libc::ESRCH;
            return -1;
        }
        let mut info = [0_u8; INFO];
        info[..4].copy_from_slice(&VERSION.to_ne_bytes());
        info[4..8].copy_from_slice(&4096_u32.to_ne_bytes());
        std::ptr::copy_nonoverlapping(info.as_ptr(), value.cast::<u8>(), INFO);
    }
    0
}

/// Writes a command down. One that cannot be written is lost: nobody here could be told.
fn record(command: c_int, settings: &[u8]) {
    static RECORD: OnceLock<Option<File>> = OnceLock::new();
    let open = || File::options().append(true).create(true).open(std::env::var_os("STANDIN_RECORD")?).ok();
    let Some(mut file) = RECORD.get_or_init(open).as_ref() else { return };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let word = COMMANDS.iter().find(|(number, _)| *number == command).map_or("other", |(_, word)| word);
    let mut line = format!("{now} {word}");
    if let Some(service) = service(settings) {
        line = format!("{line} {service}");
    }
    if let Some((server, weight)) = server(settings) {
        line = format!("{line} {server} {weight}");
    }
    line.push('\n');
    // In one piece: its parent may write as well.
    let _ = file.write_all(line.as_bytes());
}

fn service(settings: &[u8]) -> Option<String> {
    match u32::from_ne_bytes(bytes(settings, SERVICE_MARK)?) {
        0 => Some(endpoint(settings, SERVICE_ADDRESS, SERVICE_PORT)?),
        mark => Some(format!("mark:{mark}")),
    }
}

fn server(settings: &[u8]) -> Option<(String, i32)> {
    let weight = i32::from_ne_bytes(bytes(settings, SERVER_WEIGHT)?);
    Some((endpoint(settings, SERVER_ADDRESS, SERVER_PORT)?, weight))
}

fn endpoint(settings: &[u8], address: usize, port: usize) -> Option<String> {
    let address = Ipv4Addr::from(bytes::<4>(settings, address)?);
    Some(format!("{address}:{}", u16::from_be_bytes(bytes(settings, port)?)))
}

fn bytes<const N: usize>(settings: &[u8], at: usize) -> Option<[u8; N]> {
    settings.get(at..at + N)?.try_into().ok()
}
