// What a page shows by itself: its stage and kind, errors, refused fields, and that the shopper leaves.
//
// It listens beside the page's own handlers and replaces none of them, nor the history. Nothing that a shopper typed is
// read: a field is named, never its value. Read next: ask.js.

// Signals of one page view.
var SEEN_MAX = 20;

var seen = {};
var place;
// When the page was last left for another one of the shop.
var left = 0;
var isClosed = false;

function on(target, type, work) {
  work = guard(work);
  target.addEventListener(type, function (event) {
    if (consent) work(event);
  }, {capture: true, passive: true});
}

// A signal, the same one once in a page view.
function see(signal) {
  var print = JSON.stringify(signal);
  if (seen[print] || Object.keys(seen).length >= SEEN_MAX) return;
  seen[print] = 1;
  say('signal', signal);
}

function here() {
  return location.pathname + location.hash;
}

function attribute(what) {
  var name = 'data-cartwake-' + what;
  var element = document.querySelector('[' + name + ']');
  return element && element.getAttribute(name);
}

// What the page is, by an attribute or by its path: `data-stages="cart=/cart shipping=/checkout/shipping*"`.
function named(what) {
  var said = attribute(what);
  if (said) return said;
  var rules = (settings[what + 's'] || '').split(' ');
  for (var i = 0; i < rules.length; i++) {
    var at = rules[i].indexOf('=');
    var path = rules[i].slice(at + 1);
    var isPrefix = path.endsWith('*');
    var fits = [location.pathname, here()].some(function (given) {
      return isPrefix ? given.startsWith(path.slice(0, -1)) : given === path;
    });
    if (at > 0 && fits) return rules[i].slice(0, at);
  }
}

// The cart that the page has written into itself, for shops without a line of script.
function written() {
  var block = document.querySelector('script[data-cartwake-cart]');
  return block ? JSON.parse(block.textContent) : {};
}

var view = guard(function () {
  if (!consent) return;
  seen = {};
  place = here();
  if (document.querySelector('[data-cartwake-ordered]')) return change(end);
  var state = recall();
  if (state.away) {
    change(function (state) {
      state.away = 0;
    });
    see({kind: 'payment_returned'});
  }
  var part = guard(written)() || {};
  var stage = part.stage || named('stage');
  // Who looks around with a full cart has not taken anything back.
  part.stage = state.known && (!stage || stage === 'browse') ? state.stage : stage;
  if (!part.stage) delete part.stage;
  if (Object.keys(part).length) tell(part);
  var product = attribute('product');
  var page = named('page') || (product && 'product');
  if (page) see(Object.assign({kind: 'page_viewed', page: page}, product && {product_id: product}));
});

// A page of an application came without a load. It draws first.
function moved() {
  setTimeout(function () {
    if (here() !== place) view();
  }, 100);
}

function leave(event) {
  var to = new URL(event.destination.url);
  if (event.destination.sameDocument || event.downloadRequest != null || !to.protocol.startsWith('http')) return;
  if (to.origin === location.origin) {
    left = Date.now();
  } else if (recall().stage === 'payment') {
    change(function (state) {
      state.away = 1;
    });
    see({kind: 'payment_redirected'});
  }
}

function watch() {
  on(document, 'visibilitychange', function () {
    if (document.visibilityState === 'hidden') {
      if (!isClosed) see({kind: 'tab_hidden'});
      send(true);
    } else send();
  });
  on(window, 'pagehide', function () {
    isClosed = true;
    if (Date.now() - left > 1e4) see({kind: 'page_closed'});
    send(true);
  });
  on(window, 'pageshow', function (event) {
    isClosed = false;
    if (event.persisted) view();
  });
  on(document, 'mouseout', function (event) {
    if (event.relatedTarget || event.clientY > 0) return;
    see({kind: 'exit_intent'});
    if (settings.survey === 'exit') survey();
  });
  on(document, 'invalid', function (event) {
    see({kind: 'field_rejected', field: (event.target.name || event.target.id || 'unnamed').slice(0, 128)});
  });
  on(window, 'error', function (event) {
    // Of the shop's own scripts: what extensions do is nobody's fault.
    if (event.error && (event.filename || '').startsWith(location.origin)) see({kind: 'error_shown', where: 'script'});
  });
  on(window, 'online', function () {
    change(function (state) {
      state.wait = 0;
    });
    send();
  });
  watchRequests();
  if (window.navigation) {
    on(navigation, 'navigate', leave);
    on(navigation, 'currententrychange', moved);
  } else {
    on(window, 'popstate', moved);
    setInterval(moved, 1e3);
  }
}

// The shop's requests that its server failed, seen from outside: its `fetch` is left as it is.
function watchRequests() {
  guard(function () {
    new PerformanceObserver(function (list) {
      list.getEntries().forEach(function (entry) {
        var isShops = entry.name.startsWith(location.origin + '/') && entry.name !== server;
        var isRequest = ['fetch', 'xmlhttprequest'].indexOf(entry.initiatorType) >= 0;
        if (consent && isShops && isRequest && entry.responseStatus >= 500)
          see({kind: 'error_shown', where: 'request', status: entry.responseStatus});
      });
    }).observe({type: 'resource'});
  })();
}
