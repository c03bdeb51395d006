// The cart as the shop tells it: made by the first telling that has lines, merged into by every later one.
//
// What is left out of a telling stays as it was, and what was told before is not sent again. Read next: watch.js.

// An unchanged cart shows again after this long that the shopper is still here.
var SILENT_MS = 3e5;
// Lines that are noticed as removed at a time.
var REMOVED_MAX = 5;
// As the server takes them.
var ID = /^[A-Za-z0-9_.~:=-]{1,128}$/;

// The cart from here on; what was told before there was any belongs to it.
function begin(state, id) {
  state.draft = state.id ? {} : state.draft;
  state.id = id;
  state.known = state.asked = state.away = 0;
  state.items = [];
  state.prints = {};
}

// The cart has ended: nothing re-opens it.
function end(state) {
  state.over = state.id;
  begin(state);
}

function tell(part) {
  var id = part.id && String(part.id);
  // The server would refuse it, and with it all that is sent beside it.
  if (id && !ID.test(id)) return complain('id');
  change(function (state) {
    if (id && id !== state.id) begin(state, id);
    if (state.id && state.id === state.over) return;
    var body = Object.assign({}, part);
    delete body.id;
    if (body.stage) state.stage = body.stage;
    if (state.known) merge(state, body);
    else make(state, body);
  });
}

function make(state, body) {
  body = state.draft = Object.assign({}, state.draft, body);
  // An empty cart is nothing to keep.
  if (!body.currency || !(body.items || []).length) return;
  if (!state.id) begin(state, 'w-' + random());
  state.known = 1;
  state.draft = {};
  note(state, body);
  state.items = products(body);
  enqueue(state, 'put', body);
}

function merge(state, body) {
  if (!note(state, body) && now(state) - state.told < SILENT_MS) return;
  var items = body.items && products(body);
  (items ? state.items : [])
    .filter(function (item) {
      return items.indexOf(item) < 0;
    })
    .slice(0, REMOVED_MAX)
    .forEach(function (item) {
      enqueue(state, 'signal', {kind: 'item_removed', product_id: item});
    });
  if (items) state.items = items;
  enqueue(state, 'patch', body);
}

function products(body) {
  return body.items.map(function (item) {
    return item.product_id;
  });
}

// Whether this is news. Only a print of it is kept: it may name a person.
function note(state, body) {
  return Object.keys(body).filter(function (name) {
    var print = 0;
    Array.from(JSON.stringify(body[name]) || '', function (letter) {
      print = (print * 31 + letter.charCodeAt(0)) | 0;
    });
    var isNews = state.prints[name] !== print;
    state.prints[name] = print;
    return isNews;
  }).length;
}

// Says something of the cart that is there; without one there is nothing to say.
function say(op, body) {
  change(function (state) {
    if (state.known) enqueue(state, op, Object.assign({}, body));
  });
}
