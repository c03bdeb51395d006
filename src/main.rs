//! The command line: parse, call, exit code. What each command does is in the library.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use cartwake::{admin, demo, replay, serve};
use clap::{Args, Parser, Subcommand};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Brings abandoned carts back.
#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service. Without a configuration: embedded store in ./cartwake-data, API on 127.0.0.1:8080.
    Serve(ConfigFile),
    /// Watch a simulated shop for about a minute: no server, no set-up.
    Demo(demo::DemoOptions),
    /// Send recorded sessions (one cart-API operation a line) to a running service.
    Replay(replay::ReplayOptions),
    /// Check a configuration: prints what is in effect with secrets hidden, or every problem at once.
    CheckConfig {
        /// The configuration file.
        file: Option<PathBuf>,
    },
    /// Make keys and secrets.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Ask a running service whether it is ready: exit code 0 or 1. For containers.
    Healthcheck(ConfigFile),
    /// Print the OpenAPI document of the cart API.
    Openapi,
    /// Copy the embedded store while the service runs.
    Backup {
        /// The store's folder.
        #[arg(default_value = "cartwake-data")]
        folder: PathBuf,
        /// The file to write; must not exist.
        target: PathBuf,
    },
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, env = "CARTWAKE_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// A key of each role with the configuration line for it, and a webhook secret. Printed once, stored nowhere.
    New,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cartwake: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(file) => block_on(serve::serve(file.config.as_deref())),
        Command::Demo(options) => block_on(demo::run(options)),
        Command::Replay(options) => block_on(replay::run(options)),
        Command::CheckConfig { file } => Ok(admin::check_config(file.as_deref())),
        Command::Keys(KeysCommand::New) => admin::new_keys().map(|()| ExitCode::SUCCESS),
        Command::Healthcheck(file) => block_on(admin::healthcheck(file.config.as_deref())),
        Command::Openapi => {
            admin::print_openapi();
            Ok(ExitCode::SUCCESS)
        }
        Command::Backup { folder, target } => admin::backup(&folder, &target).map(|()| ExitCode::SUCCESS),
    }
}

fn block_on(task: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build()?.block_on(task)
}
