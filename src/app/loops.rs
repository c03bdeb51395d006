//! The threads of the loops: each has a runtime of its own, so that what it does crosses no thread but where it must.
//!
//! Never here: what the loops do (`engine/pulse.rs`).

use std::thread;

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Running loops.
#[derive(Default)]
pub struct Loops {
    /// Each is told, by its end, that a thread has come to its own.
    ended: Vec<oneshot::Receiver<()>>,
    abort: CancellationToken,
}

impl Loops {
    /// Runs one on a thread of this name.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn run(&mut self, name: &str, task: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot make a runtime")?;
        let (tell, ended) = oneshot::channel();
        let abort = self.abort.clone();
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = abort.cancelled() => {}
                    () = task => {}
                }
            });
            // With it ends what it had begun.
            drop(runtime);
            drop(tell);
        };
        thread::Builder::new().name(name.to_owned()).spawn(work).context("cannot start a thread")?;
        self.ended.push(ended);
        Ok(())
    }

    /// Returns when all have ended, however they did.
    pub async fn join(&mut self) {
        while let Some(ended) = self.ended.last_mut() {
            // A loop that panicked has ended, too.
            drop(ended.await);
            self.ended.pop();
        }
    }

    /// Ends them where they stand.
    pub fn abort(&self) {
        self.abort.cancel();
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.abort();
    }
}
