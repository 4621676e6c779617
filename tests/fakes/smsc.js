// An SMSC for tests, on the independent npm package `smpp`. It writes what happens as lines of JSON and takes orders as lines
// of JSON. Usage: node smsc.js <port, 0 for any> <system_id> <password>
//
// Each order is answered by an event `told` with its `order`. Orders (field `do`): deliver (fields of deliver_sm; `body`, `udh` and `session` in hex), answers (statuses of the next
// submits; null: none ever), ids (how submits are named: "plain", "hex" or "decimal"), slow (milliseconds before an answer),
// enquire, unbind, hang_up, deaf (answers nothing at all from now on), nothing.

const readline = require('readline');
const smpp = require('smpp');

const [port, systemId, password] = process.argv.slice(2);
const TLVS = ['user_message_reference', 'ussd_service_op', 'sar_msg_ref_num', 'sar_total_segments', 'sar_segment_seqnum',
  'receipted_message_id', 'message_state'];
let sessions = [], answers = [], ids = 'plain', slow = 0, deaf = false, taken = 0x1a2a;

const say = (event, facts) => process.stdout.write(JSON.stringify({event, ...facts}) + '\n');

function named(number) {
  return {plain: `m-${number}`, hex: number.toString(16).toUpperCase().padStart(8, '0'), decimal: String(number)}[ids];
}

function bind(session, pdu) {
  if (deaf) return;
  const known = pdu.system_id === systemId && pdu.password === password;
  say('bind', {command: pdu.command, taken: known, system_type: pdu.system_type, version: pdu.interface_version});
  session.send(pdu.response({command_status: known ? 0 : smpp.ESME_RINVPASWD, system_id: 'fake'}));
  if (known) sessions.push(session);
}

function submit(session, pdu) {
  if (deaf) return;
  const status = answers.length ? answers.shift() : 0;
  const facts = {
    status, to: pdu.destination_addr, from: pdu.source_addr, ton: [pdu.source_addr_ton, pdu.dest_addr_ton],
    npi: [pdu.source_addr_npi, pdu.dest_addr_npi], text: pdu.short_message.message, coding: pdu.data_coding,
    udh: (pdu.short_message.udh || []).map((one) => one.toString('hex')), esm_class: pdu.esm_class,
    registered_delivery: pdu.registered_delivery, service_type: pdu.service_type, sequence: pdu.sequence_number,
    session: pdu.its_session_info && pdu.its_session_info.toString('hex'),
  };
  for (const name of TLVS) if (name in pdu) facts[name] = pdu[name];
  if (status === 0) facts.id = named(++taken);
  say('submit', facts);
  if (status !== null) {
    const answer = status ? {command_status: status} : {message_id: facts.id};
    setTimeout(() => session.send(pdu.response(answer)), slow);
  }
}

const server = smpp.createServer((session) => {
  session.on('error', () => session.destroy());
  session.on('close', () => { sessions = sessions.filter((one) => one !== session); say('closed', {}); });
  for (const command of ['bind_transceiver', 'bind_receiver', 'bind_transmitter'])
    session.on(command, (pdu) => bind(session, pdu));
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => { if (!deaf) { say('enquired', {}); session.send(pdu.response()); } });
  session.on('unbind', (pdu) => { say('unbind', {}); session.send(pdu.response()); session.close(); });
});

function deliver(order) {
  const {do: _, order: __, tag, body, udh, session: info, ...fields} = order;
  if (body !== undefined) fields.short_message = Buffer.from((udh || '') + body, 'hex');
  if (udh) fields.esm_class = 0x40;
  if (info) fields.its_session_info = Buffer.from(info, 'hex');
  sessions[sessions.length - 1].deliver_sm(fields, (answer) => say('delivered', {tag, status: answer.command_status}));
}

const orders = {
  deliver,
  answers: (order) => answers.push(...order.statuses),
  ids: (order) => { ids = order.as; },
  slow: (order) => { slow = order.milliseconds; },
  enquire: () => sessions.forEach((session) => session.enquire_link({}, () => say('answered', {}))),
  unbind: () => sessions.forEach((session) => session.unbind({}, () => say('answered', {}))),
  hang_up: () => [...sessions].forEach((session) => session.destroy()),
  deaf: () => { deaf = true; },
  nothing: () => {},
};

readline.createInterface({input: process.stdin})
  .on('line', (line) => { const order = JSON.parse(line); orders[order.do](order); say('told', {order: order.order}); })
  .on('close', () => process.exit(0));
server.listen(Number(port), '127.0.0.1', () => say('listening', {port: server.address().port}));
