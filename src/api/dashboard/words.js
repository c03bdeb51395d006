// The service's words in a reader's: codes are as stable as the API, what stands for them here is not.

const SPECIAL = {
  unknown: 'No reason known', just_browsing: 'Only looking around', think_later: 'Wants to think it over', trust_security: 'Trust and security',
  payment_error: 'Payment did not work', payment_declined: 'Payment declined', technical_error: 'Technical error', account_required: 'Account required',
  browse: 'Browse', cart: 'Cart', contact: 'Contact', shipping: 'Shipping', payment: 'Payment', organic: 'On their own', returned: 'Came back alone', assisted: 'After a reminder', clicked: 'By a reminder\'s link',
};

/** `shipping_cost` as `Shipping cost`. */
export function word(code) {
  const plain = String(code ?? '').replaceAll('_', ' ');
  return SPECIAL[code] ?? plain.charAt(0).toUpperCase() + plain.slice(1);
}

/** `cart.reminder` as `Reminder`; what cannot be read has no type. */
export const event = (type) => (type ? word(type.replace('cart.', '')) : 'Unreadable');

const STATES = {
  active: ['live', 'Active'], abandoned: ['warn', 'Abandoned'], payment_pending: ['live', 'Payment pending'], converted: ['good', 'Bought'],
  delivered: ['good', 'Delivered'], pending: ['live', 'Pending'], dead: ['bad', 'Dead'], paused: ['warn', 'Paused'], disabled: ['calm', 'Disabled'],
};

/** The colour and the name of a state. */
export const state = (code) => STATES[code] ?? ['calm', word(code)];
