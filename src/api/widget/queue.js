// What is still to be sent: kept until the server has answered, so that it survives a dead network and the page itself.
//
// Each event bears an `event_id`, so the server takes it once however often it comes; what was on its way when the page
// went is sent again by the next one. When the server does not answer, tries get rarer, across pages. Read next: cart.js.

// Events kept; beyond, the oldest signal is dropped.
var KEPT_MAX = 60;
// Events sent at a time, as the server has it (api/browser.rs), and their length.
var EVENTS_MAX = 50;
var LENGTH_MAX = 4e4;
// What outlives a page may have 64 KiB, by the Fetch standard.
var KEEPALIVE_MAX = 6e4;
// The server remembers an event_id for a day.
var OLD_MS = 864e5;
var TIMEOUT_MS = 1e4;
var REFUSED_MS = 3e5;

var server = new URL('v1/browser', script.src).href;
var timer;
var sending = null;

function enqueue(state, op, body) {
  // Rising even when the clock is set back: the server applies what is newer.
  var at = (state.last = Math.max(now(state), (state.last || 0) + 1));
  body.event_id = random();
  body[op === 'signal' ? 'at' : 'occurred_at'] = time(at);
  if (op === 'put' || op === 'patch') body.revision = state.told = at;
  state.queue.push({op: op, cart_id: state.id, body: body});
  if (state.queue.length > KEPT_MAX) {
    var oldest = state.queue.findIndex(function (event) {
      return event.op === 'signal';
    });
    state.queue.splice(Math.max(oldest, 0), 1);
  }
  soon(400);
}

function soon(millis) {
  clearTimeout(timer);
  timer = setTimeout(send, millis);
}

// The first events that fit; at least one.
function batch(state) {
  var length = 0;
  return state.queue.slice(0, EVENTS_MAX).filter(function (event, place) {
    length += JSON.stringify(event).length;
    return !place || length < LENGTH_MAX;
  });
}

var send = guard(function (isLeaving) {
  if (!consent || (sending && !isLeaving)) return;
  var state = recall();
  if (!state.queue.length) return;
  var wait = (state.wait || 0) - Date.now();
  if (wait > 0) {
    if (!isLeaving) soon(wait);
    return;
  }
  var events = batch(state);
  // text/plain: no preflight. The key is in the body: an address would end in a log.
  var text = JSON.stringify({key: settings.key, sent_at: time(now(state)), events: events});
  var isSmall = new Blob([text]).size < KEEPALIVE_MAX;
  if (isLeaving && !('keepalive' in Request.prototype)) {
    // It tells no outcome, so the next page sends the same again.
    if (isSmall) navigator.sendBeacon(server, text);
    return;
  }
  post(events, text, isSmall);
});

function post(events, text, isSmall) {
  var stop = (sending = new AbortController());
  var limit = setTimeout(function () {
    stop.abort();
  }, TIMEOUT_MS);
  var request = {
    method: 'POST', body: text, keepalive: isSmall, signal: stop.signal,
    credentials: 'omit', referrerPolicy: 'no-referrer', redirect: 'error', priority: 'low'
  };
  fetch(server, request)
    .then(function (answer) {
      return answer.ok ? answer.json() : Promise.reject(answer);
    })
    .then(function (answer) {
      settle(events, answer);
    })
    .catch(function (failure) {
      // Also an answer that is none of the server's: what stands between may say anything.
      fail(events, failure);
    })
    .then(function () {
      clearTimeout(limit);
      if (sending === stop) sending = null;
      if (recall().queue.length) soon(400);
    });
}

function remove(state, events) {
  var gone = events.map(function (event) {
    return event.body.event_id;
  });
  state.queue = state.queue.filter(function (event) {
    return gone.indexOf(event.body.event_id) < 0;
  });
}

function settle(events, answer) {
  change(function (state) {
    var results = answer.results.slice(0, events.length);
    remove(state, events.slice(0, results.length));
    state.tries = state.wait = 0;
    // As far off as the server sets right (api/browser.rs).
    var off = Date.parse(answer.now) - Date.now();
    state.skew = Math.abs(off) > 12e4 ? off : 0;
    results.forEach(function (result, place) {
      var event = events[place];
      if (result.problem) complain(result.problem);
      if (event.cart_id !== state.id) return;
      // A cart that the server does not have is made anew by what is told next.
      if (result.status === 404 || (result.problem && event.op === 'put')) state.known = 0;
      if (result.receipt && result.receipt.why === 'closed') end(state);
    });
  });
}

function fail(events, answer) {
  var status = answer.status;
  change(function (state) {
    var wait = 0;
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      // It would be refused again. With the wrong key or origin, so would all that follows.
      remove(state, events);
      complain('refused: ' + status);
      if (status === 401 || status === 403) wait = REFUSED_MS;
    } else {
      state.queue = state.queue.filter(function (event) {
        return now(state) - Date.parse(event.body.at || event.body.occurred_at) < OLD_MS;
      });
      state.tries = Math.min((state.tries || 0) + 1, 8);
      var asked = answer.headers && answer.headers.get('Retry-After');
      wait = Math.max(1e3 * Math.pow(2, state.tries) * (0.5 + Math.random()), 1e3 * (asked || 0));
    }
    state.wait = Date.now() + wait;
  });
}
