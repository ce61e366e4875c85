#!/bin/sh
# Makes a test CA and a server certificate for loopback in this folder, anew each time.
# For trying out TLS by hand; the tests make their own in memory. Nothing made here is ever real.
set -eu
cd "$(dirname "$0")"
umask 077
names=${1:-DNS:localhost,DNS:ringway.test,IP:127.0.0.1,IP:::1}

openssl ecparam -name prime256v1 -genkey -noout -out ca-key.pem
openssl req -x509 -new -key ca-key.pem -sha256 -days 30 -out ca.pem \
  -subj '/CN=ringway test CA' \
  -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign'
openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out server-key.pem
openssl req -new -key server-key.pem -subj '/CN=ringway test server' -out server.csr
cat > server.ext <<EOF
subjectAltName=$names
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
authorityKeyIdentifier=keyid
EOF
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -sha256 -days 30 \
  -extfile server.ext -out server.pem
rm -f server.csr server.ext ca.srl
openssl verify -CAfile ca.pem -purpose sslserver server.pem
