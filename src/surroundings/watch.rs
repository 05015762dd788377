//! Keeps the [`View`] by watches, so that no request waits for a call. Every replica of the operator has them, because
//! every replica answers requests.

use std::sync::Arc;
use std::time::Duration;

use futures::{TryStreamExt, future};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ApiResource, PartialObjectMeta};
use kube::runtime::watcher::{self, DefaultBackoff, Event, watcher};
use kube::{Client, Resource};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Names, View};
use crate::api::RedisFailover;

/// Objects in one page of a first list. Annotations come with the names, and some users keep a whole object in one
/// (`kubectl apply` does), so a page is bounded well below the usual 500.
const PAGE: u32 = 100;

/// Pause before a broken watch begins anew, where the growing ones of [`DefaultBackoff`] end.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A view that watches fill and requests read.
#[derive(Clone, Debug, Default)]
pub struct Surroundings(Arc<watch::Sender<View>>);

impl Surroundings {
    /// Reads the view as it is now.
    pub fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.0.borrow())
    }

    fn change(&self, change: impl FnOnce(&mut View)) {
        self.0.send_modify(change);
    }
}

/// One kind's part of the view.
type Part = fn(&mut View) -> &mut Option<Names>;

/// Keeps the view until `stop`.
pub async fn run(client: Client, surroundings: Surroundings, stop: CancellationToken) {
    let all = future::join3(
        follow(&client, &surroundings, ApiResource::erase::<RedisFailover>(&()), |view| {
            &mut view.redis_failovers
        }),
        follow(&client, &surroundings, ApiResource::erase::<Secret>(&()), |view| &mut view.secrets),
        follow(&client, &surroundings, ApiResource::erase::<ConfigMap>(&()), |view| &mut view.config_maps),
    );
    stop.run_until_cancelled(Box::pin(all)).await;
}

/// Follows one kind. A watch that breaks begins anew with a list, and until that is complete nothing is known: a request
/// must not be judged by what is out of date.
async fn follow(client: &Client, surroundings: &Surroundings, resource: ApiResource, part: Part) {
    let mut pauses = DefaultBackoff::default();
    loop {
        if let Err(error) = until_broken(client, surroundings, &resource, part).await {
            tracing::warn!(kind = resource.kind, reason = "WatchBroken", %error, "admission cannot see these objects for now");
        }
        surroundings.change(|view| *part(view) = None);
        tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
    }
}

async fn until_broken(
    client: &Client,
    surroundings: &Surroundings,
    resource: &ApiResource,
    part: Part,
) -> Result<(), watcher::Error> {
    let api = Api::<PartialObjectMeta>::all_with(client.clone(), resource);
    let mut coming = Names::default();
    watcher(api, watcher::Config::default().page_size(PAGE))
        .try_for_each(|event| {
            surroundings.change(|view| take(&event, &mut coming, part(view)));
            future::ready(Ok(()))
        })
        .await
}

/// Takes up one event. A first list becomes known when it is complete.
fn take<K: Resource>(event: &Event<K>, coming: &mut Names, known: &mut Option<Names>) {
    let name = |object: &K| {
        let metadata = object.meta();
        (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
    };
    let insert = |names: &mut Names, object| {
        let (namespace, name) = name(object);
        names.insert(&namespace, &name);
    };
    match (event, known) {
        (Event::Init, _) => *coming = Names::default(),
        (Event::InitApply(object), _) => insert(coming, object),
        (Event::InitDone, known) => *known = Some(std::mem::take(coming)),
        (Event::Apply(object), Some(names)) => insert(names, object),
        (Event::Delete(object), Some(names)) => {
            let (namespace, name) = name(object);
            names.remove(&namespace, &name);
        }
        (Event::Apply(_) | Event::Delete(_), None) => {}
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;

    use super::*;

    fn secret(name: &str) -> Secret {
        let metadata =
            ObjectMeta { name: Some(name.into()), namespace: Some("ns".into()), ..ObjectMeta::default() };
        Secret { metadata, ..Secret::default() }
    }

    #[test]
    fn a_list_is_known_when_it_is_complete_and_then_follows_the_changes() {
        let (mut coming, mut known) = (Names::default(), None);
        let mut take = |event| {
            take(&event, &mut coming, &mut known);
            known.as_ref().map(|names: &Names| ["a", "b", "c"].map(|name| names.contains("ns", name)))
        };
        for event in [Event::Apply(secret("c")), Event::Delete(secret("c"))] {
            assert_eq!(take(event), None, "before a list, a change says nothing of the others");
        }
        assert_eq!(take(Event::Init), None);
        assert_eq!(take(Event::InitApply(secret("c"))), None);
        assert_eq!(take(Event::Init), None, "a list that began anew");
        assert_eq!(take(Event::InitApply(secret("a"))), None);
        assert_eq!(take(Event::InitDone), Some([true, false, false]));
        assert_eq!(take(Event::Apply(secret("b"))), Some([true, true, false]));
        assert_eq!(take(Event::Apply(secret("b"))), Some([true, true, false]));
        assert_eq!(take(Event::Delete(secret("a"))), Some([false, true, false]));
        assert_eq!(take(Event::Delete(secret("b"))), Some([false, false, false]));
    }
}
