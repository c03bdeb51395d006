// What the snippet remembers: one entry of localStorage, read by every tab, and none before the shop says consent.
//
// All parts run in one function, in the order of api/widget.rs; the page sees `cartwake` alone (calls.js). Where the
// browser refuses storage, the page's memory does. Read next: queue.js.

var script = document.currentScript || document.querySelector('script[data-key][src*="widget.js"]');
// Loaded in a way that hides its attributes, it cannot know whose it is.
if (!script) return;
var settings = script.dataset;
var NAME = 'cartwake';

// What the shop says: whether this shopper agreed to being followed. It has to be said on every page.
var consent = false;
var memory = null;

// Nothing that goes wrong in here may be seen by the page: with `data-debug` it is told to the console.
function guard(work) {
  return function () {
    try {
      return work.apply(null, arguments);
    } catch (error) {
      complain(error);
    }
  };
}

function complain(what) {
  if ('debug' in settings) console.warn(NAME, what);
}

// The state as it is now: another tab may have changed it.
function recall() {
  var state = memory;
  try {
    state = state || JSON.parse(localStorage.getItem(NAME));
  } catch (error) {
    complain(error);
  }
  return state && Array.isArray(state.queue) ? state : {queue: [], prints: {}};
}

function change(edit) {
  if (!consent) return;
  var state = recall();
  edit(state);
  try {
    localStorage.setItem(NAME, JSON.stringify(state));
    memory = null;
  } catch (error) {
    memory = state;
  }
}

function forget() {
  memory = null;
  try {
    localStorage.removeItem(NAME);
  } catch (error) {
    complain(error);
  }
}

// The time by the server's clock, where this one is far off.
function now(state) {
  return Date.now() + (state.skew || 0);
}

function time(millis) {
  return new Date(millis).toISOString();
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), function (part) {
    return part.toString(36);
  }).join('');
}
