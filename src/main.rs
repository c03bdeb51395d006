//! The command line: parse, call, exit code. What each command does is in the library.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use cartwake::demo::{self, DemoOptions, Ending, Pace};
use cartwake::replay::{self, ApiKey, ReplayOptions};
use cartwake::{admin, serve};
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
#[expect(clippy::large_enum_variant, reason = "there is one, for the length of a call")]
enum Command {
    /// Run the service. Without a configuration: embedded store in ./cartwake-data, API on 127.0.0.1:8080.
    Serve(ConfigFile),
    /// Watch a simulated shop for about a minute: no server, no set-up.
    Demo(DemoArgs),
    /// Send recorded sessions (one cart-API operation a line) to a running service.
    Replay(ReplayArgs),
    /// Check a configuration: prints what is in effect with secrets hidden, or every problem at once.
    CheckConfig {
        /// The configuration file.
        #[arg(env = "CARTWAKE_CONFIG")]
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
        /// The folder to make; it can be used as a store. It must not hold one.
        to: PathBuf,
        /// The store's folder.
        #[arg(long, value_name = "FOLDER", default_value = "cartwake-data")]
        from: PathBuf,
    },
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, env = "CARTWAKE_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct DemoArgs {
    /// The same seed prints the same counts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Virtual seconds in a real one.
    #[arg(long)]
    speed: Option<f64>,
    /// As fast as the machine can.
    #[arg(long, conflicts_with = "speed")]
    fast: bool,
    /// Keep serving after the tables, until Ctrl-C.
    #[arg(long)]
    hold: bool,
    /// Recorded sessions (NDJSON) instead of the simulated shop.
    #[arg(long, value_name = "FILE")]
    sessions: Option<PathBuf>,
}

impl From<DemoArgs> for DemoOptions {
    fn from(args: DemoArgs) -> Self {
        let pace = match args.speed {
            _ if args.fast => Pace::Fast,
            Some(speed) => Pace::Speed(speed),
            None => Pace::Watch,
        };
        let ending = if args.hold { Ending::Hold } else { Ending::Leave };
        Self { seed: args.seed, pace, ending, sessions: args.sessions, ..Self::default() }
    }
}

#[derive(Args)]
struct ReplayArgs {
    /// One cart-API operation a line: `{"at", "op", "cart_id", "body"}`.
    file: PathBuf,
    /// The cart API.
    #[arg(long)]
    to: replay::Url,
    /// A server key.
    #[arg(long, env = "CARTWAKE_KEY", hide_env_values = true)]
    key: String,
    /// The operations listener; only for `advance` lines.
    #[arg(long)]
    ops: Option<replay::Url>,
    /// An admin key; only for `advance` lines.
    #[arg(long, env = "CARTWAKE_ADMIN_KEY", hide_env_values = true)]
    admin_key: Option<String>,
    /// Recorded seconds in a real one; as fast as the server answers without it.
    #[arg(long)]
    speed: Option<f64>,
}

impl From<ReplayArgs> for ReplayOptions {
    fn from(args: ReplayArgs) -> Self {
        Self {
            file: args.file,
            to: args.to,
            ops: args.ops,
            key: ApiKey::new(args.key),
            admin_key: args.admin_key.map(ApiKey::new),
            speed: args.speed,
        }
    }
}

#[derive(Subcommand)]
enum KeysCommand {
    /// A key of each role with the configuration line for it, and a webhook secret. Printed once, stored nowhere.
    New,
}

#[expect(clippy::print_stderr, reason = "whoever called is told why it failed")]
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
        Command::Demo(args) => block_on(async { demo::run(args.into()).await.map(|_| ExitCode::SUCCESS) }),
        Command::Replay(args) => block_on(async { replayed(&replay::replay(args.into()).await?) }),
        Command::CheckConfig { file } => Ok(admin::check_config(file.as_deref())),
        Command::Keys(KeysCommand::New) => admin::new_keys().map(|()| ExitCode::SUCCESS),
        Command::Healthcheck(file) => block_on(admin::healthcheck(file.config.as_deref())),
        Command::Openapi => {
            admin::print_openapi();
            Ok(ExitCode::SUCCESS)
        }
        Command::Backup { to, from } => admin::backup(&from, &to).map(|()| ExitCode::SUCCESS),
    }
}

/// A refused line is not an error of ours, but whoever runs this in a script wants to know.
fn replayed(summary: &replay::Summary) -> Result<ExitCode> {
    writeln!(std::io::stdout(), "{summary}")?;
    Ok(if summary.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn block_on(task: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build()?.block_on(task)
}
