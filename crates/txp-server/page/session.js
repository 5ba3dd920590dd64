// Who looks: the operator by a token, a merchant by a key. Kept until the tab is closed, never in an
// address, never in a cookie.

const OPERATOR = 'txp.operator';
const CLIENT = 'txp.client';

let listener = () => {};

export const session = {
  get operator() { return sessionStorage.getItem(OPERATOR); },
  get client() { return sessionStorage.getItem(CLIENT); },
  get isIn() { return Boolean(this.operator || this.client); },

  setOperator(token) { store(OPERATOR, token); },
  setClient(key) { store(CLIENT, key); },

  out() {
    sessionStorage.removeItem(OPERATOR);
    sessionStorage.removeItem(CLIENT);
    listener();
  },

  /** Told whenever somebody comes or goes. */
  onChange(told) { listener = told; },
};

function store(name, value) {
  if (value) sessionStorage.setItem(name, value);
  else sessionStorage.removeItem(name);
  listener();
}
