//! The `directord` program.

fn main() -> std::process::ExitCode {
    directord::cli::main()
}
