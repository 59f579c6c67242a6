"""TLS in front of a server on a unix socket: decrypts what clients send and encrypts what the server answers.

usage: tls_front.py PORT CERTIFICATE KEY SOCKET [CA]
With CA it asks clients for a certificate that this CA signed. It listens on 127.0.0.1 and says "ready".
"""
import asyncio
import ssl
import sys

port, certificate, key, path = sys.argv[1:5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
if len(sys.argv) > 5:
    context.load_verify_locations(sys.argv[5])
    context.verify_mode = ssl.CERT_REQUIRED


async def pump(source, sink):
    try:
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()


async def serve(reader, writer):
    try:
        server_reader, server_writer = await asyncio.open_unix_connection(path)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, server_writer), pump(server_reader, writer))


async def main():
    await asyncio.start_server(serve, ["127.0.0.1"], int(port), ssl=context)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
