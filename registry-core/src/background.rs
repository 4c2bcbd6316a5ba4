//! Work beside the callers.

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Runs work on a runtime. Whoever starts it sees to its end. In a box, so that there is one type of task: what a runtime
/// does with one is compiled for each type, once for each of its schedulers.
pub(crate) fn spawn(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    let work: BoxFuture<'static, ()> = Box::pin(work);
    runtime.spawn(work).abort_handle()
}
