// What a shop can say, and the start. `cartwake(name, value)` is all that the page sees of the snippet.
//
// Calls made before it was loaded wait in `cartwake.q` (docs/widget.md). Here ends the tour that began in memory.js.

// Calls kept in the page's memory until the shop says consent; where it says no, none are.
var HELD_MAX = 20;
var NEVER_HELD = ['consent', 'survey'];

var held = [];
var isWatching = false;

var calls = {
  // On every page, as soon as it is known. Withdrawn, what was stored is removed, and what was not sent is not sent.
  consent: function (given) {
    if (!given) {
      consent = false;
      held = null;
      forget();
      if (sending) sending.abort();
      if (close) close();
    } else if (document.prerendering) {
      // Nobody sees this page yet, and perhaps nobody will.
      held = held || [];
      document.addEventListener('prerenderingchange', function () {
        if (held) call(['consent', true]);
      });
    } else if (!consent) {
      var waiting = held || [];
      consent = true;
      held = [];
      if (!isWatching) watch();
      isWatching = true;
      if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', view);
      else view();
      waiting.forEach(call);
      // What the page before could not send; what it has just sent is given time to be there.
      soon(1e3);
    }
  },
  cart: tell,
  stage: function (stage) {
    tell({stage: stage});
  },
  signal: function (signal, fields) {
    say('signal', Object.assign({}, fields, signal.kind ? signal : {kind: signal}));
  },
  reason: reason,
  dismiss: dismiss,
  ordered: function () {
    change(end);
  },
  survey: survey,
  // Tells the id of the cart, for the shop's own server.
  id: function (ask) {
    ask(recall().id);
  }
};

var call = guard(function (words) {
  if (consent || NEVER_HELD.indexOf(words[0]) >= 0) calls[words[0]](words[1], words[2]);
  else if (held && held.length < HELD_MAX) held.push(words);
});

if (!(window[NAME] && window[NAME].version)) {
  var early = (window[NAME] && window[NAME].q) || [];
  window[NAME] = function () {
    call(arguments);
  };
  window[NAME].version = '$VERSION';
  Array.from(early).forEach(call);
  if (settings.consent === 'granted') call(['consent', true]);
}
