//! Service: a question that nobody answered.

use super::episode::{Episode, Judged, holds};
use crate::domain::signal::SignalKind;

pub fn support_unavailable(episode: &Episode<'_>) -> Judged {
    let answered = episode.answered(|k| matches!(k, SignalKind::ChatOpened), |k| matches!(k, SignalKind::ChatAnswered));
    match answered {
        None => Judged::No,
        Some((opened, None)) => holds(70, format!("chat_opened at {} without an answer", opened.at)),
        Some((opened, Some(answer))) => {
            Judged::Near(format!("chat_opened at {}, but chat_answered at {}", opened.at, answer.at))
        }
    }
}
