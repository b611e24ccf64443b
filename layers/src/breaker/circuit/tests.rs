use std::num::NonZeroU32;

use super::*;

const OPEN: Duration = Duration::from_secs(15);

fn circuit(rules: Rules) -> Arc<Circuit> {
    Arc::new(Circuit::new(rules, Instant::now()))
}

fn call(circuit: &Arc<Circuit>, verdict: Verdict) {
    circuit.clone().admit().unwrap().settle(verdict);
}

fn calls(circuit: &Arc<Circuit>, verdict: Verdict, times: usize) {
    (0..times).for_each(|_| call(circuit, verdict));
}

fn state(circuit: &Circuit) -> CircuitState {
    circuit.snapshot(Instant::now()).state
}

async fn half_open() -> Arc<Circuit> {
    let circuit = circuit(Rules::new());
    calls(&circuit, Verdict::Failure, 10);
    tokio::time::advance(OPEN).await;
    circuit
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_it_for_a_while() {
    let circuit = circuit(Rules::new());
    calls(&circuit, Verdict::Failure, 9);
    call(&circuit, Verdict::Success);
    calls(&circuit, Verdict::Failure, 9);
    assert_eq!(state(&circuit), CircuitState::Closed);

    call(&circuit, Verdict::Failure);
    assert_eq!(state(&circuit), CircuitState::Open);
    assert_eq!(circuit.clone().admit().unwrap_err(), OPEN);
    tokio::time::advance(OPEN - Duration::from_secs(1)).await;
    let left = circuit.clone().admit().unwrap_err();
    assert_eq!(left, Duration::from_secs(1));
    tokio::time::advance(left).await;
    assert!(circuit.clone().admit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_share_of_failures_opens_it_when_there_are_enough_calls() {
    let rules = Rules::new().in_a_row(NonZeroU32::MAX);
    let few = circuit(rules);
    calls(&few, Verdict::Failure, 19);
    assert_eq!(state(&few), CircuitState::Closed);
    call(&few, Verdict::Failure);
    assert_eq!(state(&few), CircuitState::Open);

    let healthy = circuit(rules);
    calls(&healthy, Verdict::Success, 30);
    calls(&healthy, Verdict::Failure, 29);
    assert_eq!(state(&healthy), CircuitState::Closed);
    call(&healthy, Verdict::Failure);
    assert_eq!(state(&healthy), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn what_counts_after_a_change_counts_in_its_own_time() {
    let circuit = circuit(Rules::new());
    tokio::time::advance(Duration::from_secs(100)).await;
    calls(&circuit, Verdict::Success, 3);
    circuit.trip(Instant::now());
    circuit.reset();
    calls(&circuit, Verdict::Success, 4);
    assert_eq!(circuit.snapshot(Instant::now()).calls, 4);

    tokio::time::advance(Duration::from_secs(26)).await;
    calls(&circuit, Verdict::Success, 2);
    assert_eq!(circuit.snapshot(Instant::now()).calls, 6);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(circuit.snapshot(Instant::now()).calls, 2);
}

#[tokio::test(start_paused = true)]
async fn calls_leave_the_window() {
    let circuit = circuit(Rules::new().in_a_row(NonZeroU32::MAX));
    calls(&circuit, Verdict::Failure, 19);
    tokio::time::advance(Duration::from_secs(31)).await;
    call(&circuit, Verdict::Failure);

    assert_eq!(state(&circuit), CircuitState::Closed);
    assert_eq!(circuit.snapshot(Instant::now()).calls, 1);
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_counts_nowhere() {
    let circuit = circuit(Rules::new());
    for _ in 0..30 {
        call(&circuit, Verdict::Nothing);
        drop(circuit.clone().admit());
    }
    calls(&circuit, Verdict::Failure, 9);
    call(&circuit, Verdict::Nothing);
    assert_eq!(circuit.snapshot(Instant::now()).failures_in_a_row, 9);
    call(&circuit, Verdict::Failure);

    assert_eq!(state(&circuit), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn probes_that_succeed_close_it() {
    let circuit = half_open().await;
    calls(&circuit, Verdict::Success, 2);
    assert_eq!(state(&circuit), CircuitState::HalfOpen);
    call(&circuit, Verdict::Success);

    assert_eq!(state(&circuit), CircuitState::Closed);
    assert_eq!(circuit.snapshot(Instant::now()).failures_in_a_row, 0);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_again() {
    let circuit = half_open().await;
    let first = circuit.clone().admit().unwrap();
    let second = circuit.clone().admit().unwrap();
    first.settle(Verdict::Failure);
    assert_eq!(state(&circuit), CircuitState::Open);

    second.settle(Verdict::Success);
    assert_eq!(state(&circuit), CircuitState::Open, "it came too late");
}

#[tokio::test(start_paused = true)]
async fn h9_a_probe_that_is_cancelled_gives_its_place_back() {
    let circuit = half_open().await;
    for _ in 0..100 {
        let probes: Vec<_> = (0..3).map(|_| circuit.clone().admit()).collect();
        assert!(probes.iter().all(Result::is_ok));
        assert!(circuit.clone().admit().is_err());
    }
    calls(&circuit, Verdict::Success, 3);

    assert_eq!(state(&circuit), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn h9_probes_that_are_forgotten_do_not_wedge_it() {
    let circuit = half_open().await;
    let forgotten: Vec<_> = (0..3).map(|_| circuit.clone().admit()).collect();
    assert_eq!(circuit.clone().admit().unwrap_err(), PROBING);

    tokio::time::advance(OPEN).await;
    calls(&circuit, Verdict::Success, 3);
    assert_eq!(state(&circuit), CircuitState::Closed);
    drop(forgotten);
    assert_eq!(state(&circuit), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn calls_from_before_it_opened_do_not_count_as_probes() {
    let circuit = circuit(Rules::new());
    let old = circuit.clone().admit().unwrap();
    let older = circuit.clone().admit().unwrap();
    calls(&circuit, Verdict::Failure, 10);
    tokio::time::advance(OPEN).await;
    let probe = circuit.clone().admit().unwrap();
    old.settle(Verdict::Failure);
    older.settle(Verdict::Success);
    assert_eq!(state(&circuit), CircuitState::HalfOpen);

    probe.settle(Verdict::Success);
    assert_eq!(circuit.snapshot(Instant::now()).calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_has_begun_and_then_fails_opens_it_again() {
    let circuit = half_open().await;
    let mut probe = circuit.clone().admit().unwrap();
    probe.begun();
    assert_eq!(circuit.snapshot(Instant::now()).calls, 1);
    probe.settle(Verdict::Failure);

    assert_eq!(state(&circuit), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn the_shortest_and_the_longest_times_are_legal() {
    for window in [Duration::ZERO, Duration::MAX] {
        for open in [Duration::ZERO, Duration::MAX] {
            let circuit = circuit(Rules::new().window(window).open(open));
            calls(&circuit, Verdict::Failure, 10);
            assert_eq!(circuit.clone().admit().is_ok(), open.is_zero());
        }
    }
    let never = circuit(Rules::never());
    calls(&never, Verdict::Failure, 1000);
    assert_eq!(state(&never), CircuitState::Closed);
}
