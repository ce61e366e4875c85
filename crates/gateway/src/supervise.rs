//! One part failing restarts that part; a part that panics twice within a minute ends the process,
//! and the service manager starts it anew. State that a panic may have torn is never used again:
//! each start builds the part from what is stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use net::clock;

/// A second panic of a part within this time ends the process.
const PANIC_WINDOW: Duration = Duration::from_secs(60);
/// Pause before a part that failed is started again.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// Marks an error that no restart of a part can mend: the process has to end.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fatal(pub String);

/// How often each part was restarted, for metrics.
#[derive(Debug, Clone, Default)]
pub struct Restarts(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Restarts {
    /// Restarts per part.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn count(&self, part: &'static str) {
        *self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(part)
            .or_insert(0) += 1;
    }
}

/// Runs a part until it ends by itself, starting it again when it fails.
///
/// # Errors
/// When the part panicked twice within a minute, or failed with [`Fatal`].
pub async fn supervise<S, F>(
    part: &'static str,
    restarts: Restarts,
    mut start: S,
) -> anyhow::Result<()>
where
    S: FnMut() -> F,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut last_panic: Option<Instant> = None;
    loop {
        match tokio::spawn(start()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if error.is::<Fatal>() => return Err(error.context(part)),
            Ok(Err(error)) => {
                tracing::error!(
                    part,
                    error = format!("{error:#}"),
                    "part failed, starting it anew"
                );
            }
            Err(join) if join.is_cancelled() => return Ok(()),
            Err(join) => {
                let now = clock::now();
                tracing::error!(part, error = %join, "part panicked");
                if last_panic.is_some_and(|last| now.duration_since(last) < PANIC_WINDOW) {
                    bail!("{part} panicked twice within {} s", PANIC_WINDOW.as_secs());
                }
                last_panic = Some(now);
            }
        }
        restarts.count(part);
        tokio::time::sleep(RESTART_DELAY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Runs a part whose nth start ends as `ends(n)` says; gives the result and the restarts.
    async fn run(ends: fn(u32) -> anyhow::Result<()>) -> (anyhow::Result<()>, u64) {
        let restarts = Restarts::default();
        let starts = Arc::new(AtomicU32::new(0));
        let result = supervise("part", restarts.clone(), || {
            let start = starts.fetch_add(1, Ordering::Relaxed);
            async move { ends(start) }
        })
        .await;
        (result, restarts.counts().get("part").copied().unwrap_or(0))
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_fails_is_started_again_until_it_ends() {
        let (result, restarts) =
            run(|start| if start < 5 { bail!("failed") } else { Ok(()) }).await;
        assert!(result.is_ok());
        assert_eq!(restarts, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fatal_error_ends_the_process_at_once() {
        let (result, restarts) = run(|_| Err(Fatal("gone".to_owned()).into())).await;
        assert!(result.unwrap_err().is::<Fatal>());
        assert_eq!(restarts, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_panic_restarts_the_part_and_a_second_one_soon_ends_the_process() {
        let (result, restarts) =
            run(|start| if start == 0 { panic!("torn") } else { Ok(()) }).await;
        assert!(result.is_ok());
        assert_eq!(restarts, 1);
        let (result, restarts) = run(|_| panic!("torn")).await;
        assert!(result.unwrap_err().to_string().contains("panicked twice"));
        assert_eq!(restarts, 1);
    }
}
