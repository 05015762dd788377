//! Plays stories: some of them together, the others one after the other, and sums up.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use kube::Client;
use tokio::sync::Semaphore;

use crate::operator;
use crate::stage::{self, Stage};

/// Stories played at the same time: what a machine with two cores can carry.
const AT_ONCE: usize = 2;

/// Whether a story disturbs others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// It keeps to its own namespace.
    Together,
    /// It measures, or does something to the operator.
    Alone,
}

/// One story: it panics where something is not as it should be.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    when: When,
    play: Box<dyn Fn(Stage) -> LocalBoxFuture<'static, ()>>,
}

impl Story {
    pub(crate) fn new<F>(name: &'static str, when: When, play: fn(Stage) -> F) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self { name, when, play: Box::new(move |stage| Box::pin(play(stage))) }
    }
}

struct Outcome {
    name: &'static str,
    took: Duration,
    good: bool,
}

/// Installs the operator, plays the stories, removes the operator. True if every story was good.
pub(crate) async fn run(stories: Vec<Story>) -> bool {
    if stories.is_empty() {
        eprintln!("no story has such a name");
        return false;
    }
    let began = Instant::now();
    let client = Client::try_default().await.expect("the cluster of KUBECONFIG");
    let deletes_crd = stories.iter().any(|story| story.name == "all-in-one");
    operator::preflight(&client, deletes_crd).await;
    operator::uninstall().await;
    stage::remove_leftovers(&client).await;
    operator::install(&client).await;

    let (together, alone): (Vec<_>, Vec<_>) =
        stories.into_iter().partition(|story| story.when == When::Together);
    let gate = Semaphore::new(AT_ONCE);
    let mut outcomes = join_all(together.iter().map(|story| async {
        let _turn = gate.acquire().await;
        play(&client, story).await
    }))
    .await;
    for story in &alone {
        outcomes.push(play(&client, story).await);
    }
    operator::uninstall().await;
    sum_up(&outcomes, began.elapsed())
}

async fn play(client: &Client, story: &Story) -> Outcome {
    let stage = Stage::open(client.clone(), story.name).await;
    let began = Instant::now();
    let playing = AssertUnwindSafe((story.play)(stage.clone()));
    let good = playing.catch_unwind().await.is_ok();
    let took = began.elapsed();
    if good {
        stage.say(format!("good after {:.1} s", took.as_secs_f64()));
        stage.close().await;
    } else {
        stage.say("FAILED; this is the state");
        stage.dump().await;
    }
    Outcome { name: story.name, took, good }
}

fn sum_up(outcomes: &[Outcome], took: Duration) -> bool {
    println!("\nstory                seconds");
    for Outcome { name, took, good } in outcomes {
        let verdict = if *good { "" } else { "  FAILED" };
        println!("{name:<20} {:>7.1}{verdict}", took.as_secs_f64());
    }
    println!("{:<20} {:>7.1}", "all", took.as_secs_f64());
    outcomes.iter().all(|outcome| outcome.good)
}
