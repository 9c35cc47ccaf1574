//! Turns on a shared wire, in a time of their own.

use super::*;

fn pace(change: impl FnOnce(&mut Settings)) -> Pace {
    let mut settings = Settings { baud: 10_000, half_duplex: true, ..Settings::default() };
    change(&mut settings);
    Pace::new(&settings)
}

fn heard(ago: Duration, within_frame: bool) -> Option<Heard> {
    Some(Heard { at: Instant::now() - ago, within_frame, echo: false })
}

const MILLI: Duration = Duration::from_millis(1);

// At 10,000 bits a second a byte takes 1 ms, and silence and slots take 4 ms.

#[tokio::test(start_paused = true)]
async fn a_line_of_ones_own_is_never_waited_for() {
    let mut pace = pace(|settings| settings.half_duplex = false);
    pace.sent(1000);
    assert_eq!(pace.wait(heard(Duration::ZERO, true), || 7), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_gap_begins_when_the_last_byte_is_off_the_line() {
    let mut pace = pace(|settings| {
        settings.half_duplex = false;
        settings.gap = 20 * MILLI;
    });
    pace.sent(100);
    pace.sent(100);
    assert_eq!(pace.wait(None, || 0), 220 * MILLI);
}

#[tokio::test(start_paused = true)]
async fn a_gap_without_end_is_a_minute() {
    let mut pace = pace(|settings| settings.gap = Duration::MAX);
    assert_eq!(pace.wait(heard(Duration::ZERO, false), || 0), 60_000 * MILLI + 8 * 4 * MILLI);
}

#[tokio::test(start_paused = true)]
async fn a_turn_comes_after_silence_and_a_slot_at_random() {
    let mut pace = pace(|_| ());
    tokio::time::advance(1000 * MILLI).await;
    let just_now = heard(Duration::ZERO, false);
    assert_eq!(pace.wait(just_now, || 8 + 3), (4 + 3 * 4) * MILLI);
    tokio::time::advance(5 * MILLI).await;
    let the_same = pace.wait(just_now, || 0);
    assert_eq!(the_same, (4 + 3 * 4 - 5) * MILLI, "it is not drawn again");
    tokio::time::advance(11 * MILLI).await;
    assert_eq!(pace.wait(just_now, || 0), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn whatever_arrives_begins_another_turn() {
    let mut pace = pace(|_| ());
    tokio::time::advance(1000 * MILLI).await;
    pace.wait(heard(10 * MILLI, false), || 7);
    assert_eq!(pace.wait(heard(MILLI, false), || 1), (4 + 4 - 1) * MILLI);
}

#[tokio::test(start_paused = true)]
async fn within_a_frame_silence_is_not_believed_at_once() {
    let mut pace = pace(|_| ());
    tokio::time::advance(1000 * MILLI).await;
    assert_eq!(pace.wait(heard(Duration::ZERO, true), || 0), (50 + 4) * MILLI);
}

#[tokio::test(start_paused = true)]
async fn a_gap_makes_silence_longer() {
    let mut pace = pace(|settings| settings.gap = 20 * MILLI);
    tokio::time::advance(1000 * MILLI).await;
    assert_eq!(pace.wait(heard(Duration::ZERO, false), || 1), (20 + 4) * MILLI);
}

#[tokio::test(start_paused = true)]
async fn whoever_sent_last_lets_others_go_first() {
    let mut pace = pace(|_| ());
    tokio::time::advance(1000 * MILLI).await;
    let before = heard(MILLI, false);
    pace.sent(100);
    assert_eq!(pace.wait(before, || 0), (100 + 4 + 8 * 4) * MILLI);
    tokio::time::advance(110 * MILLI).await;
    let echo = heard(Duration::ZERO, false).map(|heard| Heard { echo: true, ..heard });
    assert_eq!(pace.wait(echo, || 0), (4 + 8 * 4) * MILLI);
    tokio::time::advance(MILLI).await;
    assert_eq!(pace.wait(heard(Duration::ZERO, false), || 0), 4 * MILLI, "others have sent since");
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_no_shorter_than_timers_are_precise() {
    let mut pace = pace(|settings| settings.baud = 1_000_000);
    tokio::time::advance(1000 * MILLI).await;
    let silence = Duration::from_micros(40);
    assert_eq!(pace.wait(heard(Duration::ZERO, false), || 5), silence + 5 * MILLI);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_the_system_is_looked_at_again_when_it_should_be_gone() {
    let pace = pace(|_| ());
    assert_eq!(pace.until_few(10), None);
    assert_eq!(pace.until_few(11), Some(MILLI));
    assert_eq!(pace.until_few(30), Some(20 * MILLI));
    assert_eq!(pace.until_few(usize::MAX), Some(50 * MILLI));
    assert_eq!(pace.until_none(0), None);
    assert_eq!(pace.until_none(30), Some(30 * MILLI));
    assert_eq!(pace.until_none(4000), Some(50 * MILLI));
}
