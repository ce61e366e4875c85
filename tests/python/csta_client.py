#!/usr/bin/env python3
"""A CSTA III client that shares nothing with the crates it judges: written from ECMA-269 (services,
events, connection states), ECMA-323 (XML, TCP without SOAP) and ECMA-354 (application sessions).
csta_client.py HOST PORT DIALECT: monitors 2001, 2002 and 2003, uses the services on them, and checks
headers, invoke ids, cross references, the order of elements (against the schemas of $RINGWAY_TESTDATA
too where that is set), the states of every connection, and which events each service gives."""
import os, re, socket, struct, sys
from html import escape
from lxml import etree

NS = "http://www.ecma-international.org/standards/ecma-%s"
SESSION = NS % "354/appl_session"
DEVICES = ["2001", "2002", "2003"]
EDITIONS = [NS % f"323/csta/ed{n}" for n in (6, 5, 4, 3)]
# ECMA-323: the elements of the messages in order, those that are used here (ed3 to ed6 agree).
INFO, CALL = "localConnectionInfo correlatorData userData", "callingDevice calledDevice lastRedirectionDevice"
ORDER = {line.split()[0]: line.split()[1:] for line in f"""
ServiceInitiatedEvent monitorCrossRefID initiatedConnection initiatingDevice calledDevice {INFO} cause
OriginatedEvent monitorCrossRefID originatedConnection callingDevice calledDevice originatingDevice {INFO} cause
DeliveredEvent monitorCrossRefID connection alertingDevice {CALL} originatingNIDConnection {INFO} cause
EstablishedEvent monitorCrossRefID establishedConnection answeringDevice {CALL} originatinNIDConnection {INFO} cause
HeldEvent monitorCrossRefID heldConnection holdingDevice {INFO} cause
RetrievedEvent monitorCrossRefID retrievedConnection retrievingDevice {INFO} cause
DivertedEvent monitorCrossRefID connection divertingDevice newDestination {CALL} {INFO} cause
TransferedEvent monitorCrossRefID primaryOldCall secondaryOldCall transferringDevice transferredToDevice transferredConnections {INFO} cause
ConferencedEvent monitorCrossRefID primaryOldCall secondaryOldCall conferencingDevice addedParty conferenceConnections {INFO} cause
ConnectionClearedEvent monitorCrossRefID droppedConnection releasingDevice {INFO} chargingInfo cause
FailedEvent monitorCrossRefID failedConnection failingDevice {CALL} originatingNIDConnection {INFO} cause
DoNotDisturbEvent monitorCrossRefID device doNotDisturbOn callOrigination
connectionListItem newConnection oldConnection endpoint associatedNID
snapshotDeviceResponseInfo connectionIdentifier endpointDevice localCallState""".strip().splitlines()}
# ECMA-269 §6.1 and §17.2: the connection an event is about, the states it may come from, the one it leads to.
MOVES = {line.split()[0]: line.split()[1:] for line in """
ServiceInitiatedEvent initiatedConnection null initiated
OriginatedEvent originatedConnection null,initiated connected
DeliveredEvent connection null,queued alerting
EstablishedEvent establishedConnection null,alerting,queued connected
HeldEvent heldConnection connected hold
RetrievedEvent retrievedConnection hold connected
DivertedEvent connection null,alerting,queued null
FailedEvent failedConnection null,connected,alerting fail
ConnectionClearedEvent droppedConnection initiated,alerting,connected,hold,queued,fail null""".strip().splitlines()}
def local(element): return etree.QName(element).localname
def find(element, name): return next((e for e in element.iter() if local(e) == name), None)
def text(element, name): return None if find(element, name) is None else "".join(find(element, name).itertext()).strip()
def number(device): return re.match(r"N<([^!&>]*)|(.*)", device).expand(r"\1\2")
def check(true, *what): true or sys.exit("csta_client.py: " + " ".join(map(str, what)))
class Client:
    def __init__(self, host, port, dialect):
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.file = self.socket.makefile("rb")
        self.dialect, self.invoke, self.ns = dialect, 0, EDITIONS[1]
        self.monitors, self.told, self.answers, self.heard, self.raw = {}, [], {}, 0, {}
        self.states = {device: {} for device in DEVICES}
        schema = os.environ.get("RINGWAY_TESTDATA", "") + "/csta/xsd/reconstructed-ed6/csta.xsd"
        self.schema = etree.XMLSchema(file=schema) if os.path.exists(schema) else None

    def send(self, invoke, name, body, ns=None):
        xml = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{ns or self.ns}">{body}</{name}>'.encode()
        self.socket.sendall(struct.pack(">HH", 0, len(xml) + 8) + b"%04d" % invoke + xml)

    def receive(self):
        header = self.file.read(8)
        kind, length = struct.unpack(">HH", header[:4])
        check(kind == 0 and length > 8 and header[4:].isdigit(), "no header:", header)
        body = self.file.read(length - 8)
        self.check_form(etree.fromstring(body), body)
        self.dispatch(int(header[4:]), etree.fromstring(body))

    def check_form(self, root, body):
        self.heard += 1
        for element in root.iter():
            order = ORDER.get(local(element))
            places = [order.index(local(child)) for child in element if local(child) in order] if order else []
            check(places == sorted(places), "elements out of order:", body)
        ns = etree.QName(root).namespace
        if ns in EDITIONS and self.schema is not None and "Presence" not in local(root):
            check(ns in (self.ns, EDITIONS[0]) or self.dialect == "openscape", "edition", ns, "but", self.ns)
            copy = etree.fromstring(body.replace(ns.encode(), EDITIONS[0].encode()))
            check(self.schema.validate(copy), self.schema.error_log.last_error, body)
        elif ns not in EDITIONS and ns != SESSION:
            check(self.dialect == "openscape", "namespace", ns, "of", local(root))

    def dispatch(self, invoke, root):
        name = local(root)
        if invoke == 9999:
            cross_ref = text(root, "monitorCrossRefID")
            check(cross_ref in self.monitors, name, "of no monitor:", cross_ref)
            if name != "ServiceInitiatedEvent": self.told.append((self.monitors[cross_ref], name.removesuffix("Event")))
            self.follow(self.monitors[cross_ref], name, root)
        elif name.endswith("Response") or name == "CSTAErrorCode":
            check(self.answers.get(invoke, root) is None, "nobody asked", invoke, name)
            self.answers[invoke] = root
        elif name == "SnapshotDeviceData": self.segments.append(root)
        elif name == "SystemStatus": self.send(invoke, "SystemStatusResponse", "")

    def follow(self, device, name, root):
        """One event at one monitor: is it legal, and is the local state that of the device's connection?"""
        states = self.states[device]
        for element in root.iter():
            if find(element, "callID") in element[:] and text(element, "deviceID"):
                self.raw[self.connection(element)] = text(element, "deviceID")
        if name in MOVES:
            element, before, after = MOVES[name]
            key = self.connection(find(root, element))
            now = states.get(key, "null" if key[1] == device else "unknown")  # the others' may have come before
            check(now in ["unknown", *before.split(",")], device, "hears", name, key, "in state", now)
            states[key], call = after, key[0]
        elif name in ("TransferedEvent", "ConferencedEvent"):
            olds = [self.connection(e)[0] for e in root if local(e) in ("primaryOldCall", "secondaryOldCall")]
            moved = {}
            for item in root.iter("{*}connectionListItem"):
                new, old = self.connection(find(item, "newConnection")), find(item, "oldConnection")
                keys = [(call, new[1]) for call in olds] + ([self.connection(old)] if old is not None else [])
                known = [states[key] for key in keys if states.get(key, "null") != "null"]
                moved[new] = "connected" if name == "ConferencedEvent" and known else (known + ["unknown"])[0]
                call = new[0]
            self.states[device] = states = {k: v for k, v in states.items() if k[0] not in olds} | moved
        else: return
        own, info = states.get((call, device), "null"), text(root, "localConnectionInfo")
        check(info in (None, own) or "unknown" == own or name == "FailedEvent", device, name, "says", info, "not", own)

    def connection(self, element): return text(element, "callID"), number(text(element, "deviceID") or "")
    def of(self, name, call, device):
        return f"<{name}><callID>{call}</callID><deviceID>{escape(self.raw[call, device])}</deviceID></{name}>"

    def ask(self, name, body="", ns=None):
        """Sends a request and gives the answer, once everything that it made the PBX say is here."""
        self.told, self.segments, answers = [], [], []
        for request in [(name, body, ns), ("RequestSystemStatus", "", None)]:
            self.invoke = (self.invoke + 1) % 9999
            self.answers[self.invoke] = None
            self.send(self.invoke, *request)
            while self.answers[self.invoke] is None: self.receive()
            answers.append(self.answers.pop(self.invoke))
        check(local(answers[1]) == "RequestSystemStatusResponse", "no status:", etree.tostring(answers[1]))
        return answers[0]

    def do(self, name, body, *wanted, answer=None):
        """A service: its answer, and the events of 2001, 2002 and 2003 in their order."""
        root = self.ask(name, body)
        check(local(root) == (answer or name + "Response"), name, "is answered:", etree.tostring(root))
        told = [" ".join(event for at, event in self.told if at == device) for device in DEVICES]
        check(told == [*wanted, "", "", ""][:3], name, "gives", told)
        for device in DEVICES:
            owned = {key[0] for key, state in self.states[device].items() if key[1] == device and state != "null"}
            snapshot = self.ask("SnapshotDevice", f"<snapshotObject>{device}</snapshotObject>")
            parts = [part.iter("{*}snapshotDeviceResponseInfo") for part in [snapshot, *self.segments]]
            calls = {text(info, "callID") for part in parts for info in part}
            check(calls == owned, name, ": the snapshot of", device, "has", calls, "the events", owned)
        return root

def main(host, port, dialect):
    c = Client(host, port, dialect)
    if dialect == "openscape":
        c.ns = EDITIONS[2]
        c.ask("SystemRegister", "<requestTypes><systemStatus>true</systemStatus></requestTypes>")
    else:
        versions = "".join(f"<protocolVersion>{edition}</protocolVersion>" for edition in EDITIONS)
        session = c.ask("StartApplicationSession", "<applicationInfo><applicationID>lxml</applicationID></applicationInfo>"
                        f"<requestedProtocolVersions>{versions}</requestedProtocolVersions>", SESSION)
        c.ns = text(session, "actualProtocolVersion")
    for device in DEVICES:
        started = c.ask("MonitorStart", f"<monitorObject><deviceObject>{device}</deviceObject></monitorObject>")
        check(text(started, "monitorCrossRefID") not in (None, *c.monitors), "MonitorStart:", etree.tostring(started))
        c.monitors[text(started, "monitorCrossRefID")] = device
    def talk():
        call = text(c.do("MakeCall", "<callingDevice>2001</callingDevice><calledDirectoryNumber>2002</calledDirectoryNumber>"
                         "<autoOriginate>doNotPrompt</autoOriginate>", "Originated Delivered", "Delivered"), "callID")
        c.do("AnswerCall", c.of("callToBeAnswered", call, "2002"), "Established", "Established")
        return call
    def consult(first):
        call = text(c.do("ConsultationCall", c.of("existingCall", first, "2001") + "<consultedDevice>2003</consultedDevice>",
                         "Held Originated Delivered", "Held", "Delivered"), "callID")
        c.do("AnswerCall", c.of("callToBeAnswered", call, "2003"), "Established", "", "Established")
        return call
    def living(device): return next(k[0] for k, v in c.states[device].items() if k[1] == device and v != "null")
    def both(first, active, held): return c.of(first[0], active, "2001") + c.of(first[1], held, "2001")
    HA, AH, CLEAR = ("heldCall", "activeCall"), ("activeCall", "heldCall"), "ConnectionCleared"
    first = talk()
    c.do("HoldCall", c.of("callToBeHeld", first, "2001"), "Held", "Held")
    c.do("HoldCall", c.of("callToBeHeld", first, "2001"), answer="CSTAErrorCode")
    c.do("RetrieveCall", c.of("callToBeRetrieved", first, "2001"), "Retrieved", "Retrieved")
    second = consult(first)
    c.do("AlternateCall", both(HA, first, second), "Held Retrieved", "Retrieved", "Held")
    c.do("ReconnectCall", both(AH, first, second), f"{CLEAR} Retrieved", f"{CLEAR} {CLEAR}", "Retrieved")
    c.do("ClearConnection", c.of("connectionToBeCleared", second, "2001"), CLEAR, "", f"{CLEAR} {CLEAR}")
    second = consult(first := talk())
    c.do("TransferCall", both(HA, first, second), *["Transfered"] * 3)
    c.do("ClearCall", c.of("callToBeCleared", living("2003"), "2002"), "", CLEAR, CLEAR)
    second = consult(first := talk())
    c.do("ConferenceCall", both(HA, first, second), *["Conferenced"] * 3)
    c.do("ClearConnection", c.of("connectionToBeCleared", living("2001"), "2001"), CLEAR, CLEAR, CLEAR)
    c.do("ClearConnection", c.of("connectionToBeCleared", living("2002"), "2002"), "", CLEAR, f"{CLEAR} {CLEAR}")
    for on in ("true", "false"):
        c.do("SetDoNotDisturb", f"<device>2002</device><doNotDisturbOn>{on}</doNotDisturbOn>", "", "DoNotDisturb")
        check(text(c.do("GetDoNotDisturb", "<device>2002</device>"), "doNotDisturbOn") == on, "DND is not", on)
    print(f"{dialect}: {c.heard} messages, all in order" + (", all by the schema" if c.schema else ""))

if __name__ == "__main__": main(*sys.argv[1:])
