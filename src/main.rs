//! The `directord` program.

fn main() -> std::process::ExitCode {
    // Scripts are started by way of this program itself: see there.
    directord::supervisor::launched().unwrap_or_else(directord::cli::main)
}
