//! The lock of a database: one `dbreg` at a time changes it.
//!
//! A document of [`METADATA`] with its owner and a count that the owner raises while it works. Whoever waits and sees the
//! count stand still for a lease takes the lock over: no clocks are compared. Whoever cannot raise it in time, or finds
//! another owner in it, stops.
//!
//! Work that is dropped cannot give its lock back. [`Held`] remembers it, so that whoever dropped the work can.

use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::METADATA;
use futures_util::future::{Either, select};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The `_id` of the lock's document.
const LOCK: &str = "lock";

/// How a lock is kept and waited for.
#[derive(Clone, Copy, Debug)]
pub(in crate::adapters::mongodb) struct Terms {
    /// Between two raises of the count.
    pub(in crate::adapters::mongodb) beat: Duration,
    /// For so long the count stands still before the lock is taken over. Longer than the election of a primary.
    pub(in crate::adapters::mongodb) lease: Duration,
    /// How long another's work is waited for.
    pub(in crate::adapters::mongodb) patience: Duration,
    /// Between two looks of one who waits.
    pub(in crate::adapters::mongodb) pause: Duration,
}

const TERMS: Terms = Terms {
    beat: Duration::from_secs(3),
    lease: Duration::from_secs(30),
    patience: Duration::from_secs(15 * 60),
    pause: Duration::from_millis(250),
};

/// The owners of locks that were not given back, because the work under them was dropped.
#[derive(Debug, Default)]
pub(in crate::adapters::mongodb) struct Held(Mutex<Vec<String>>);

impl Held {
    fn left(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether work that was dropped has left a lock.
    pub(in crate::adapters::mongodb) fn is_left(&self) -> bool {
        !self.left().is_empty()
    }

    /// Gives back what work that was dropped has left; what is at work keeps its own.
    pub(in crate::adapters::mongodb) async fn let_go(&self, database: &Database) -> Result<(), Error> {
        let owners = self.left().clone();
        let left = doc! { "_id": LOCK, "owner": { "$in": &owners } };
        database.collection::<Document>(METADATA).delete_one(left).await?;
        self.left().retain(|owner| !owners.contains(owner));
        Ok(())
    }
}

/// The lock: asked for, held, or given back.
#[derive(Debug)]
pub(in crate::adapters::mongodb) struct Lock<'h> {
    held: &'h Held,
    metadata: Collection<Document>,
    owner: String,
    terms: Terms,
    /// Whether nothing of it is on the server any more, as far as that can be known.
    is_over: bool,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.held.left().push(std::mem::take(&mut self.owner));
        }
    }
}

impl<'h> Lock<'h> {
    /// Works under the lock of the database, and gives it back. When it is lost, the work is dropped.
    pub(in crate::adapters::mongodb) async fn hold<T>(
        held: &'h Held,
        database: &Database,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        Self::hold_on(held, database, TERMS, work).await
    }

    pub(in crate::adapters::mongodb) async fn hold_on<T>(
        held: &'h Held,
        database: &Database,
        terms: Terms,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut lock = Self::acquire(held, database, terms).await?;
        match lock.watched(work).await {
            Either::Left(result) => {
                // What was done is done, also when the next one has to wait for the lease.
                let _ = lock.release().await;
                result
            }
            Either::Right(lost) => Err(lock.lost(lost)),
        }
    }

    /// The same for work that takes the lock with it when it succeeds: to give it back would make the database anew.
    pub(in crate::adapters::mongodb) async fn hold_to_its_end<T>(
        held: &'h Held,
        database: &Database,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut lock = Self::acquire(held, database, TERMS).await?;
        match lock.watched(work).await {
            Either::Left(Ok(done)) => {
                lock.is_over = true;
                Ok(done)
            }
            Either::Left(Err(error)) => {
                let _ = lock.release().await;
                Err(error)
            }
            Either::Right(lost) => Err(lock.lost(lost)),
        }
    }

    /// The work's result, or why the lock was lost before it ended.
    async fn watched<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Either<Result<T, Error>, Error> {
        let (work, kept) = (pin!(work), pin!(self.keep()));
        match select(work, kept).await {
            Either::Left((result, _)) => Either::Left(result),
            Either::Right((lost, _)) => Either::Right(lost),
        }
    }

    async fn acquire(held: &'h Held, database: &Database, terms: Terms) -> Result<Self, Error> {
        let mut lock = Self {
            held,
            metadata: database.collection(METADATA),
            owner: ObjectId::new().to_hex(),
            terms,
            is_over: false,
        };
        // Whoever drops it meanwhile does not know what became of it: it is there from now on.
        let taken = lock.take().await;
        lock.is_over = taken.is_err();
        taken.map(|()| lock)
    }

    async fn take(&self) -> Result<(), Error> {
        let (terms, lock) = (self.terms, self);
        let give_up = Instant::now() + terms.patience;
        let mut seen: Option<(Document, Instant)> = None;
        loop {
            let refused = match lock.insert().await {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let now = Instant::now();
            match lock.metadata.find_one(doc! { "_id": LOCK }).await? {
                // Given back at this moment, unless the server has another reason to refuse.
                None if is_duplicate(&refused) => seen = None,
                None => return Err(refused.into()),
                // It was written, and only the answer was lost.
                Some(found) if found.get_str("owner").is_ok_and(|owner| owner == lock.owner) => {
                    return Ok(());
                }
                Some(found) => match &seen {
                    Some((same, since)) if *same == found => {
                        if now.duration_since(*since) >= terms.lease && lock.take_over(&found).await? {
                            return Ok(());
                        }
                    }
                    other => {
                        if other.is_none() {
                            tracing::info!(
                                "the lock of the database `{}` is held: waiting until it is given back, or {:?} without \
                                 a sign of life",
                                self.metadata.namespace().db,
                                terms.lease
                            );
                        }
                        seen = Some((found, now));
                    }
                },
            }
            if now >= give_up {
                let message = format!(
                    "another `dbreg` has been at work on this database for {:?}",
                    terms.patience
                );
                return Err(
                    Error::new(ErrorKind::Timeout, message).help("wait for it to end, and run this again")
                );
            }
            tokio::time::sleep(terms.pause).await;
        }
    }

    async fn insert(&self) -> mongodb::error::Result<()> {
        let lock = doc! { "_id": LOCK, "owner": &self.owner, "count": 0_i64 };
        self.metadata.insert_one(lock).await.map(drop)
    }

    /// Puts ourselves in place of an owner who does not work any more, if that is still what stands there.
    async fn take_over(&self, found: &Document) -> Result<bool, Error> {
        let ours = doc! { "$set": { "owner": &self.owner, "count": 0_i64 } };
        let taken = self.metadata.update_one(found.clone(), ours).await?;
        Ok(taken.matched_count == 1)
    }

    /// Raises the count again and again; ends when the lock is lost, with what there is to say then.
    async fn keep(&self) -> Error {
        let mut last = Instant::now();
        // We stop before another may begin.
        let limit = self.terms.lease / 2;
        loop {
            tokio::time::sleep(self.terms.beat).await;
            let raise = self.metadata.update_one(
                doc! { "_id": LOCK, "owner": &self.owner },
                doc! { "$inc": { "count": 1_i64 } },
            );
            match tokio::time::timeout_at(last + limit, raise).await {
                Ok(Ok(raised)) if raised.matched_count == 1 => last = Instant::now(),
                Ok(Ok(_)) => {
                    let message = "the lock of the database was taken over while this was at work";
                    return Error::new(ErrorKind::Operation, message)
                        .help("the other one goes on with it; look at the status afterwards");
                }
                Ok(Err(error)) if last.elapsed() >= limit => return error.into(),
                Ok(Err(_)) => {}
                Err(_) => {
                    let message = "the lock of the database could not be kept: the server does not answer";
                    return Error::new(ErrorKind::Timeout, message).help("run this again when it does");
                }
            }
        }
    }

    /// It is another's now.
    fn lost(&mut self, error: Error) -> Error {
        self.is_over = true;
        error
    }

    async fn release(&mut self) -> mongodb::error::Result<()> {
        let ours = doc! { "_id": LOCK, "owner": &self.owner };
        let released = self.metadata.delete_one(ours).await.map(drop);
        // Also when it failed: a server that is asked in vain now is asked in vain then.
        self.is_over = true;
        released
    }
}

/// Whether the server has refused a document because its `_id` is taken.
pub(in crate::adapters::mongodb) fn is_duplicate(error: &mongodb::error::Error) -> bool {
    use mongodb::error::{ErrorKind as Driver, WriteFailure};
    const DUPLICATE: i32 = 11_000;
    match error.kind.as_ref() {
        Driver::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE,
        Driver::Command(error) => error.code == DUPLICATE,
        Driver::InsertMany(error) => {
            let errors = error.write_errors.iter().flatten();
            errors.into_iter().any(|error| error.code == DUPLICATE)
        }
        _ => false,
    }
}
