#!/bin/sh
# The server in a network namespace behind a router that passes TCP and UDP 8080 only, as a container's
# published ports do; the headless client in a third one. Prints the client's JSON.
# Run as: unshare --map-root-user --net --mount nat.sh PYTHON
set -e
python=$1
# Namespaces are kept under /run, which is this mount namespace's own from here on.
mount -t tmpfs none /run
trap 'kill $server 2>/dev/null; wait' EXIT
ip link set lo up
for name in server client; do
    ip netns add $name
    ip -n $name link set lo up
done
ip link add to-server type veth peer name eth0 netns server
ip link add to-client type veth peer name eth0 netns client
ip addr add 10.99.1.1/24 dev to-server
ip addr add 10.99.2.1/24 dev to-client
ip link set to-server up
ip link set to-client up
ip -n server addr add 10.99.1.2/24 dev eth0
ip -n client addr add 10.99.2.2/24 dev eth0
ip -n server link set eth0 up
ip -n client link set eth0 up
ip -n server route add default via 10.99.1.1
echo 1 > /proc/sys/net/ipv4/ip_forward
for protocol in tcp udp; do
    iptables -t nat -A PREROUTING -i to-client -p $protocol --dport 8080 -j DNAT --to-destination 10.99.1.2:8080
    iptables -A FORWARD -p $protocol -d 10.99.1.2 --dport 8080 -j ACCEPT
done
iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -P FORWARD DROP

ip netns exec server "$python" -m rtcserver serve --instrument tone --transport one-port >/run/log 2>&1 &
server=$!
tries=0
until ip netns exec client "$python" -c 'import socket; socket.create_connection(("10.99.2.1", 8080), 1)' 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { cat /run/log >&2; exit 1; }
    sleep 0.1
done
ip netns exec client "$python" -m rtcserver client http://10.99.2.1:8080/r/main --seconds 2 --json ||
    { cat /run/log >&2; exit 1; }
