//! The reconcile loop: fill, check, build, apply, observe, plan, act, status.

mod caches;
mod password;
mod state;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use regex_lite::Regex;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::act::servers::Hands;
use crate::act::{Done, Failure, apply, kubernetes};
use crate::api::defaults::{self, Images};
use crate::api::{FIELD_MANAGER, GROUP, Identity, KIND, Problem, RedisFailoverStatus, VERSION, Valid, parse};
use crate::desired;
use crate::heal::{self, Plan};
use crate::metrics::Metrics;
use crate::notice::{self, Notice, Reporter};
use crate::observe::facts::Observed;
use crate::observe::{Owner, Watch, pods};
use crate::redis::Servers;
use crate::secret::Passwords;
use crate::status::{self, Look};

pub use caches::{Caches, primary};
use state::{State, States};

/// Deadline of writing the status.
const CALL: Duration = Duration::from_secs(5);
/// How long to wait after an action failed, so that a broken server is not hammered.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long what was seen may serve as the reason to act: longer than a look at servers that do not answer.
const STALE: Duration = Duration::from_secs(4);
/// How long to wait after a reconcile failed: doubled from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Why a reconcile could not get as far as a plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A password could not be read.
    #[error(transparent)]
    Password(#[from] password::Error),
    /// The status could not be written.
    #[error("status: {0}")]
    Status(String),
    /// The watches have not delivered their first lists yet.
    #[error("the caches are not filled yet")]
    CachesIncomplete,
}

impl Error {
    /// Fixed name, for log fields, event reasons and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Password(error) => error.reason(),
            Self::Status(_) => "StatusNotWritten",
            Self::CachesIncomplete => "CachesIncomplete",
        }
    }
}

/// Settings of the loop.
#[derive(Clone, Debug)]
pub struct Options {
    /// Images for specs that name none.
    pub images: Images,
    /// Namespaces to handle.
    pub namespaces: Regex,
    /// `RedisFailovers` handled at once.
    pub concurrency: u16,
    /// Name of this replica, for events.
    pub me: String,
}

/// Everything that a reconcile needs.
struct Context {
    client: Client,
    caches: Caches,
    servers: Arc<crate::redis::real::Client>,
    watch: Watch,
    reporter: Reporter,
    metrics: Arc<Metrics>,
    states: States,
    options: Options,
}

/// Runs the loop until `stop`, then lets reconciles that run come to their end.
pub async fn run(client: Client, options: Options, metrics: Arc<Metrics>, stop: CancellationToken) {
    let (controller, caches) = Caches::start(&client);
    let reporter = Reporter { client: client.clone(), instance: options.me.clone() };
    let objects = controller.store();
    let concurrency = options.concurrency;
    let servers = Arc::new(crate::redis::real::Client::new(crate::redis::real::Deadlines::default()));
    let (watch, calls) = Watch::new(Arc::clone(&servers) as Arc<dyn Servers>);
    let context = Arc::new(Context {
        reporter,
        servers,
        watch,
        states: States::default(),
        client,
        caches,
        metrics,
        options,
    });
    let forgetful = Arc::clone(&context);
    controller
        .with_config(Config::default().concurrency(concurrency))
        .reconcile_on(calls.map(|owner| reference(&owner)))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, |_, _, _| Action::requeue(RETRY.1), context)
        .for_each(|_| {
            forgetful.forget_gone(&objects);
            std::future::ready(())
        })
        .await;
}

/// One pass over one object. Errors become a condition, an event and a growing pause: this never fails.
async fn reconcile(
    object: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, std::convert::Infallible> {
    let identity = identify(&object);
    if !context.options.namespaces.is_match(&identity.namespace)
        || object.metadata.deletion_timestamp.is_some()
    {
        return Ok(Action::await_change());
    }
    let begun = Instant::now();
    let state = context.states.of(&identity);
    let mut state = state.lock().await;
    state.recall(&object);
    let (action, reason) = match Box::pin(steps(&object, identity.clone(), &context, &mut state)).await {
        Ok(action) => {
            state.failures = 0;
            (action, "Ok")
        }
        Err(error) => {
            tracing::warn!(namespace = identity.namespace, name = identity.name, reason = error.reason(), %error, "reconcile failed");
            (failed(&object, &identity, &context, &mut state, &error).await, error.reason())
        }
    };
    context.metrics.reconciled(reason, begun.elapsed());
    Ok(action)
}

/// Fill, check, build, apply, observe, plan, act, status.
async fn steps(
    object: &DynamicObject,
    identity: Identity,
    context: &Context,
    state: &mut State,
) -> Result<Action, Error> {
    let valid = match check(object, identity.clone(), &context.options.images) {
        Ok(valid) => valid,
        Err(problems) => return refuse(object, &identity, context, state, &problems).await,
    };
    if !context.caches.complete().await {
        return Err(Error::CachesIncomplete);
    }
    let (passwords, unread) = state.passwords.of(&context.client, &valid).await?;
    let mut desired = desired::build(&state.memory.bootable(&valid), &passwords);
    let template = desired.redis_template();
    if context.caches.pods(&identity).iter().any(|pod| pods::is_outdated(pod, template.as_deref())) {
        desired.hold_sentinels();
    }
    let (client, caches) = (&context.client, &context.caches);
    let applied = apply::apply(client, caches, &identity, &desired, &mut state.applied).await;
    let failures: Vec<Failure> =
        unread.into_iter().chain(applied.errors.into_iter().map(Failure::from)).collect();
    let (seen_at, now) = (Instant::now(), Timestamp::now());
    let mut observed = look(&valid, &passwords, context).await;
    observed.mark_outdated(template.as_deref());
    let plan = heal::plan(&valid, &observed, &state.memory, now);
    let hands =
        Hands { servers: &*context.servers, valid: &valid, observed: &observed, passwords: &passwords };
    let handed_over = hand_over(&hands, &plan, &identity).await;
    let done = match &handed_over {
        Some((_, Err(_))) => {
            state.memory.handover_failed = Some(now);
            Vec::new() // The rest of the plan is for after it.
        }
        _ => act(&hands, &plan, seen_at, context, state).await,
    };
    state.memory.update(&plan, now);
    let generation = object.metadata.generation;
    let seen = Look { valid: &valid, generation, observed: &observed, plan: &plan, failures: &failures };
    let status = status::of_plan(&seen, &state.status, now);
    context.metrics.cluster(&identity.namespace, &identity.name, status::is_ready(&status));
    let failed = !failures.is_empty() || done.iter().any(|done| done.result.is_err());
    let mut notices = notice::of_actions(&done);
    notices.extend(handed_over.map(|(handover, result)| notice::of_handover(handover, &result)));
    report(object, &identity, context, state, status, notices).await?;
    Ok(Action::requeue(if failed { plan.look_again.max(AFTER_FAILURE) } else { plan.look_again }))
}

/// A spec that breaks rules: said, and nothing is changed for it.
async fn refuse(
    object: &DynamicObject,
    identity: &Identity,
    context: &Context,
    state: &mut State,
    problems: &[Problem],
) -> Result<Action, Error> {
    let status = status::of_problems(problems, object.metadata.generation, &state.status, Timestamp::now());
    context.metrics.cluster(&identity.namespace, &identity.name, false);
    report(object, identity, context, state, status, Vec::new()).await?;
    Ok(Action::await_change())
}

fn reference(owner: &Owner) -> ObjectRef<DynamicObject> {
    ObjectRef::new_with(&owner.name, primary()).within(&owner.namespace)
}

fn identify(object: &DynamicObject) -> Identity {
    Identity {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        labels: object.labels().clone(),
        annotations: object.annotations().clone(),
    }
}

/// Fill and check, as the webhook does.
fn check(object: &DynamicObject, identity: Identity, images: &Images) -> Result<Valid, Vec<Problem>> {
    let mut spec = object.data.get("spec").cloned().unwrap_or_else(|| json!({}));
    defaults::fill(&mut spec, images);
    let spec = parse::spec(&spec).map_err(|problem| vec![problem])?;
    Valid::new(identity, spec)
}

async fn look(valid: &Valid, passwords: &Passwords, context: &Context) -> Observed {
    let pods = context.caches.pods(&valid.identity);
    context.watch.look(valid, &pods, passwords).await
}

/// Carries out the plan's handover, if there is one.
async fn hand_over<'a>(
    hands: &Hands<'_>,
    plan: &'a Plan,
    identity: &Identity,
) -> Option<(&'a heal::Handover, Result<(), Failure>)> {
    let handover = plan.handover.as_ref()?;
    let (namespace, name) = (&identity.namespace, &identity.name);
    tracing::info!(namespace, name, ?handover, "handing over");
    let result = hands.hand_over(handover).await;
    if let Err(failure) = &result {
        tracing::warn!(namespace, name, reason = failure.reason, text = failure.text, "handover failed");
    }
    Some((handover, result))
}

/// Carries out the plan's actions in their order, for as long as what it was made from is fresh. What fails stops nothing else, but
/// no pod is labelled as master while another may still be.
async fn act(
    hands: &Hands<'_>,
    plan: &Plan,
    seen_at: Instant,
    context: &Context,
    state: &mut State,
) -> Vec<Done> {
    let (namespace, name) = (&hands.valid.identity.namespace, &hands.valid.identity.name);
    let mut done: Vec<Done> = Vec::new();
    for action in &plan.actions {
        if seen_at.elapsed() > STALE {
            tracing::warn!(
                namespace,
                name,
                "the rest of the plan is put off: what it was made from is too old"
            );
            break;
        }
        tracing::info!(namespace, name, ?action, "acting");
        if matches!(action, heal::Action::Label { role: "master", .. }) && done.iter().any(label_failed) {
            continue;
        }
        let on_objects =
            kubernetes::carry_out(&context.client, &hands.valid.identity, hands.observed, action).await;
        let result = match on_objects {
            Some(result) => result.map_err(Failure::from),
            None => hands.carry_out(action, &mut state.memory).await.map_err(Failure::from),
        };
        done.push(Done { action: action.clone(), result });
    }
    done
}

fn label_failed(done: &Done) -> bool {
    matches!(done.action, heal::Action::Label { .. }) && done.result.is_err()
}

/// Writes the status where it changed, and publishes what is news.
async fn report(
    object: &DynamicObject,
    identity: &Identity,
    context: &Context,
    state: &mut State,
    status: RedisFailoverStatus,
    mut notices: Vec<Notice>,
) -> Result<(), Error> {
    notices.extend(notice::of_conditions(&state.status, &status));
    if status != state.status {
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), &identity.namespace, &primary());
        let body = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": KIND,
            "metadata": {"name": identity.name, "uid": identity.uid},
            "status": status,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match timeout(CALL, api.patch_status(&identity.name, &params, &Patch::Apply(&body))).await {
            Ok(Ok(_)) => state.status = status,
            Ok(Err(kube::Error::Api(gone))) if gone.is_not_found() || gone.is_conflict() => return Ok(()),
            Ok(Err(error)) => return Err(Error::Status(error.to_string())),
            Err(_) => return Err(Error::Status("no answer from the API server in time".to_owned())),
        }
    }
    state.publisher.publish(&context.reporter, &object.object_ref(&primary()), notices).await;
    Ok(())
}

/// Tells of a failed reconcile and says when to try again.
async fn failed(
    object: &DynamicObject,
    identity: &Identity,
    context: &Context,
    state: &mut State,
    error: &Error,
) -> Action {
    context.metrics.cluster(&identity.namespace, &identity.name, false);
    let pause = RETRY.1.min(RETRY.0 * 2_u32.saturating_pow(state.failures.min(6)));
    state.failures += 1;
    if !matches!(error, Error::CachesIncomplete | Error::Status(_)) {
        let status = status::of_error(
            error.reason(),
            &error.to_string(),
            object.metadata.generation,
            &state.status,
            Timestamp::now(),
        );
        let notice = Notice { warning: true, reason: error.reason().to_owned(), note: error.to_string() };
        if let Err(error) = report(object, identity, context, state, status, vec![notice]).await {
            tracing::warn!(reason = error.reason(), %error, "cannot tell of a failed reconcile");
        }
    }
    Action::requeue(pause)
}

impl Context {
    /// Forgets what belonged to objects that are gone.
    fn forget_gone(&self, objects: &Store<DynamicObject>) {
        if self.states.len() > objects.len() {
            let uids: HashSet<_> = objects.state().iter().filter_map(|object| object.uid()).collect();
            self.watch.retain(|uid| uids.contains(uid));
            for gone in self.states.retain(|uid| uids.contains(uid)) {
                self.metrics.forget(&gone.namespace, &gone.name);
            }
        }
        if self.servers.connections() > self.caches.pod_count() {
            let uids = self.caches.pod_uids();
            self.servers.retain(|incarnation| uids.contains(incarnation));
        }
    }
}
