//! Several futures at once.

use futures_util::future::BoxFuture;

/// What these futures come to, in their order, all at once: as [`futures_util::future::join_all`], but of one type for all
/// who call it, because what that is made of is compiled for each type of future. Each costs a box.
pub(crate) async fn join_all<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send,
{
    let futures: Vec<F> = futures.into_iter().collect();
    let mut outputs: Vec<Option<F::Output>> = Vec::new();
    outputs.resize_with(futures.len(), || None);
    let all = outputs.iter_mut().zip(futures).map(|(output, future)| {
        let filled: BoxFuture<'_, ()> = Box::pin(async move { *output = Some(future.await) });
        filled
    });
    let all: Vec<_> = all.collect();
    futures_util::future::join_all(all).await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn each_output_stands_in_the_place_of_its_future() {
        let (channels, receivers): (Vec<_>, Vec<_>) = (0..100).map(|_| oneshot::channel()).unzip();
        let mut all = Box::pin(join_all(
            receivers.into_iter().map(async |sent| sent.await.unwrap()),
        ));
        assert!(futures_util::poll!(&mut all).is_pending());
        // The last one first.
        for (number, channel) in channels.into_iter().enumerate().rev() {
            channel.send(number).unwrap();
        }
        assert_eq!(all.await, (0..100).collect::<Vec<_>>());
        assert!(join_all(Vec::<std::future::Ready<u8>>::new()).await.is_empty());
    }
}
